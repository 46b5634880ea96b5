"""Defines `Services`, the stores, quotas and settings that the routes use. `api/wsgi.py` creates them."""

import threading
from dataclasses import dataclass, field
from typing import cast

from flask import current_app

from api.bodies.incoming import hold
from api.quotas import Quotas
from api.readiness import Readiness
from shared.egress.images import ImageFetcher
from shared.egress.rules import EgressRules
from shared.images.decoders import decoders_of
from shared.intake.spec import Intake
from shared.models.catalogue import Catalogue
from shared.models.names import ModelNames
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.access.admission import Admission
from shared.store.access.capacity import Capacity
from shared.store.access.key_ring import KeyRing
from shared.store.access.rate_limits import RateLimits
from shared.store.audit.audit import AuditStore
from shared.store.batches.batches import BatchStore
from shared.store.copies.buckets import BucketStore
from shared.store.copies.sealing_keys import SealingKeys
from shared.store.core.durability import Durability
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.ledger import LedgerStore
from shared.store.core.object_writes import ObjectWrites
from shared.store.endpoints.endpoints import EndpointStore
from shared.store.faults.dead_letters import DeadLetterStore
from shared.store.files.files import FileStore
from shared.store.idempotency.lost_responses import UndeliveredStore
from shared.store.idempotency.requests import IdempotencyStore
from shared.store.inputs.inputs import InputStore
from shared.store.jobs.activity import ActivityStore
from shared.store.jobs.jobs import JobStore
from shared.store.jobs.watch import EventHub
from shared.store.models.models import ModelStore
from shared.store.pauses.pauses import PauseStore
from shared.store.queues.hints import Hints
from shared.store.queues.requeue import RequeueStore
from shared.store.queues.throughput import ThroughputStore
from shared.store.queues.workers import WorkerStore
from shared.store.tenants.erasure import ErasureStore
from shared.store.tenants.retention import RetentionStore
from shared.store.tenants.tenants import TenantList
from shared.store.usage.usage import UsageStore
from shared.store.webhooks.log import WebhookLog
from shared.store.webhooks.resends import ResendStore
from shared.webhooks.signing_key import SigningKey

_KEY = "gridpress"


@dataclass(frozen=True, slots=True)
class Services:
    """The stores, quotas and settings of one API process. All requests of the process share them.

    `stopping` is set when the server has begun to end and finishes its running requests. Requests that wait for a job
    then stop waiting.
    """

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
    activity: ActivityStore
    idempotency: IdempotencyStore
    undelivered: UndeliveredStore
    files: FileStore
    batches: BatchStore
    throughput: ThroughputStore
    workers: WorkerStore
    endpoints: EndpointStore
    webhook_log: WebhookLog
    resends: ResendStore
    signing_key: SigningKey
    fault_counts: FaultCounts
    ledger: LedgerStore
    object_writes: ObjectWrites
    inputs: InputStore
    retention: RetentionStore
    erasures: ErasureStore
    audit: AuditStore
    pauses: PauseStore
    usage: UsageStore
    requeue: RequeueStore
    models: ModelStore
    buckets: BucketStore
    tenants: TenantList
    sealing: SealingKeys
    quotas: Quotas
    readiness: Readiness = field(default_factory=Readiness)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def rules(self) -> EgressRules:
        """Returns the rules for outgoing requests to URLs that callers send, such as webhooks and image URLs."""
        return EgressRules.of(self.settings, self.keys.is_open)

    @property
    def intake(self) -> Intake:
        """Returns the intake, which turns requests into job specs. It decodes pictures in child processes."""
        decoders = decoders_of(self.settings.max_image_pixels, self.quotas.decoders)
        stores = (self.store, self.objects, self.fetcher, self.files)
        return Intake(self.settings, self.rules, *stores, decoders, self.inputs, self.models, hold)

    @property
    def catalogue(self) -> Catalogue:
        """Returns the models that requests may name now, and what operators have set for them."""
        return self.models.catalogue(ModelNames.of(self.settings))

    @property
    def admission(self) -> Admission:
        """Returns the object that decides whether the service accepts new renders."""
        return Admission(self.capacity, self.store, self.rate_limits, self.usage)

    def stop(self) -> None:
        """Wakes all requests of this process that wait for a job, so that they respond now. Other requests continue.

        The server calls this when it begins to end.
        """
        self.stopping.set()
        self.hub.wake_all()

    def attach_to(self, extensions: dict[str, object]) -> None:
        """Stores these services in `extensions`, the extensions of a Flask app.

        The function `services` reads them there.
        """
        extensions[_KEY] = self


def services() -> Services:
    """Returns the services of the Flask app that handles the current request."""
    return cast("Services", current_app.extensions[_KEY])
