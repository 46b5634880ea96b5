"""The services that routes use. The composition root creates them; nothing here decides anything."""

import threading
from dataclasses import dataclass, field
from typing import cast

from flask import current_app

from api.server.incoming import hold
from api.server.quotas import Quotas
from api.service.readiness import Readiness
from shared.egress.images import ImageFetcher
from shared.egress.rules import EgressRules
from shared.hints.send import Hints
from shared.images.decoders import decoders_of
from shared.intake.spec import Intake
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.access.capacity import Capacity
from shared.store.access.key_ring import KeyRing
from shared.store.access.rate_limits import RateLimits
from shared.store.batches.batches import BatchStore
from shared.store.core.durability import Durability
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.ledger import LedgerStore
from shared.store.core.object_writes import ObjectWrites
from shared.store.endpoints.endpoints import EndpointStore
from shared.store.faults.dead_letters import DeadLetterStore
from shared.store.files.files import FileStore
from shared.store.idempotency.lost_responses import UndeliveredStore
from shared.store.idempotency.requests import IdempotencyStore
from shared.store.jobs.jobs import JobStore
from shared.store.jobs.watch import EventHub
from shared.store.queues.throughput import PaceStore
from shared.store.webhooks.log import WebhookLog
from shared.store.webhooks.resends import ResendStore
from shared.webhooks.signing_key import SigningKey

_KEY = "gridpress"


@dataclass(frozen=True, slots=True)
class Services:
    """One set per process, shared by all requests. `stopping`: the server drains, so no request waits any longer."""

    settings: Settings
    store: JobStore
    dead_letters: DeadLetterStore
    objects: ObjectStore
    hints: Hints
    webhook_secret: str
    capacity: Capacity
    durability: Durability
    fetcher: ImageFetcher
    keys: KeyRing
    rate_limits: RateLimits
    hub: EventHub
    idempotency: IdempotencyStore
    undelivered: UndeliveredStore
    files: FileStore
    batches: BatchStore
    pace: PaceStore
    endpoints: EndpointStore
    webhook_log: WebhookLog
    resends: ResendStore
    signing_key: SigningKey
    fault_counts: FaultCounts
    ledger: LedgerStore
    object_writes: ObjectWrites
    quotas: Quotas
    readiness: Readiness = field(default_factory=Readiness)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def rules(self) -> EgressRules:
        """The rules for URLs that callers give."""
        return EgressRules.of(self.settings, self.keys.is_open)

    @property
    def intake(self) -> Intake:
        """Makes specs from requests; child processes decode their pictures."""
        decoders = decoders_of(self.settings.max_image_pixels, self.quotas.decoders)
        return Intake(self.settings, self.rules, self.store, self.objects, self.fetcher, self.files, decoders, hold)

    def stop(self) -> None:
        """Ends all waits, so that their requests are answered now. Other requests go on."""
        self.stopping.set()
        self.hub.wake_all()

    def attach_to(self, extensions: dict[str, object]) -> None:
        """Registers these services with a Flask app. `extensions` are the app's own; `services()` finds them there."""
        extensions[_KEY] = self


def services() -> Services:
    """The services of the app that handles the current request."""
    return cast("Services", current_app.extensions[_KEY])
