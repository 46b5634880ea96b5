"""Creates the threads that copy into the buckets of tenants, from the settings."""

from shared.egress.client import EgressClient
from shared.egress.rules import EgressRules
from shared.hints.queues import Queue
from shared.ids import WorkerId
from shared.objects.bucket_clients import BucketClients
from shared.objects.store import open_objects
from shared.settings.settings import Settings
from shared.store.access.key_ring import KeyRing
from shared.store.access.keys import KeyStore
from shared.store.batches.batches import BatchStore
from shared.store.copies.copies import CopyRules, CopyStore
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.queues.hints import Hints
from workers.delivery.content.runner import CheckRunner
from workers.delivery.copies.service import CopyService, count_given_up

_POLL_S = 0.5


def make_copies(client: Client, settings: Settings, hints: Hints, worker: WorkerId | None = None) -> CheckRunner:
    """Creates and returns the threads that copy into the buckets of tenants, without starting them.

    Raises `Misconfigured` for an invalid sealing key.
    """
    rules = CopyRules(concurrency=settings.bucket_concurrency, patience_s=settings.bucket_patience_s)
    egress = EgressClient(EgressRules.of(settings, KeyRing(KeyStore(client)).is_open))
    service = CopyService(
        CopyStore(client, rules, worker, count_given_up),
        JobStore(client),
        BatchStore(client),
        open_objects(settings, fails_fast=True),
        BucketClients.of(settings, egress),
        settings,
        most_limited=max(1, settings.bucket_slots // 2),
        on_end=lambda: hints.send_one(Queue.DELIVERY),
    )
    slots = settings.bucket_slots
    return CheckRunner("copies", service, slots, _POLL_S, spare_slots=slots, on_close=service.stopping.set)
