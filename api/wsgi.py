"""Creates the services and runs the API: several processes, with one greenlet for each connection."""

import structlog
from flask import Flask

from api.app import create_app
from api.edge.authentication import is_open
from api.quotas import Quotas
from api.server.arbiter import num_processes, serve
from api.server.dns import look_up_for
from api.service.openapi_route import prepare
from api.services import Services
from shared.addresses import is_loopback_host
from shared.celery_app import make_celery
from shared.egress.images import ImageFetcher
from shared.egress.rules import EgressRules
from shared.errors import Misconfigured
from shared.objects.store import open_objects
from shared.process.background import end_role_with_its_threads
from shared.process.ready_file import announce
from shared.schedule.profile import costs_of_profile
from shared.settings.settings import Settings
from shared.store.access.capacity import Capacity
from shared.store.access.key_ring import KeyRing
from shared.store.access.keys import KeyStore
from shared.store.access.rate_limits import RateLimits
from shared.store.audit.audit import AuditStore
from shared.store.batches.batches import BatchStore
from shared.store.copies.buckets import BucketStore
from shared.store.copies.sealing_keys import SealingKeys
from shared.store.core.durability import check_durability
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.ledger import LedgerStore
from shared.store.core.object_writes import ObjectWrites
from shared.store.core.opening import open_store
from shared.store.core.scripts import Replicas
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
from shared.store.queues.upkeep import UpkeepStore
from shared.store.queues.workers import WorkerStore
from shared.store.tenants.erasure import ErasureStore
from shared.store.tenants.retention import RetentionStore
from shared.store.tenants.tenants import TenantList
from shared.store.usage.usage import UsageStore
from shared.store.webhooks.log import WebhookLog
from shared.store.webhooks.resends import ResendStore
from shared.tracing.spans import start_tracing
from shared.webhooks.secrets import webhook_secret
from shared.webhooks.signing_key import SigningKey

log = structlog.get_logger()


def run(settings: Settings) -> None:
    """Serves the API until SIGTERM or SIGINT, finishes the running requests, and returns."""
    quotas = Quotas.of(settings, num_processes(settings))
    first = compose(settings, quotas)  # raises for a setting that can't work, before any process starts
    access = "open" if is_open(first) else "keys"

    def on_listening(port: int) -> None:
        log.info("api.listening", host=settings.host, port=port, access=access)
        announce(settings.ready_file)

    def compose_app() -> tuple[Flask, Services]:
        end_role_with_its_threads(None)  # no ready file to remove: all processes share it, and others still serve
        start_tracing("api")  # every process starts its own tracing thread, since threads do not survive a fork
        deps = compose(settings, quotas)
        app = create_app(deps)
        prepare(app, settings)
        return app, deps

    serve(compose_app, settings, quotas, on_listening)
    log.info("api.stopped")


def compose(settings: Settings, quotas: Quotas) -> Services:
    """Connects to both stores and returns the services of one process.

    Raises `Misconfigured` or `StoreUnavailable`, with a message that says how to fix the problem.
    """
    client = open_store(settings)
    keys = KeyRing(KeyStore(client))
    if not is_loopback_host(settings.host) and keys.is_open():
        why = f"GRIDPRESS_HOST={settings.host} is not loopback, and there is no API key to protect it"
        raise Misconfigured(f"{why}: run `gridpress keys create`")
    objects = open_objects(settings)  # does not raise when S3 is down: the API starts, and /readyz reports the outage
    assert settings.redis_url
    hints = Hints(make_celery(settings.redis_url), UpkeepStore(client))
    replicas = Replicas(settings.wait_replicas, settings.wait_replicas_timeout_s)
    return Services(
        settings,
        JobStore(
            client,
            replicas,
            hints.messages,
            costs_of_profile(settings.cost_profile),
            checks_prompts=settings.prompt_hook_url is not None,
            objects=objects,
        ),
        DeadLetterStore(client),
        objects,
        hints,
        webhook_secret(settings),
        Capacity(client, settings),
        check_durability(client, settings.durability),
        ImageFetcher.of(settings, EgressRules.of(settings, keys.is_open), look_up_for),
        keys,
        RateLimits(client),
        EventHub(client),
        ActivityStore(client),
        IdempotencyStore(client, kept_for_s=settings.idempotency_ttl_s),
        UndeliveredStore(client),
        FileStore(client, replicas),
        BatchStore(client, replicas),
        ThroughputStore(client, reuse_s=1.0),
        WorkerStore(client),
        EndpointStore(client),
        WebhookLog(client),
        ResendStore(client),
        SigningKey.of(settings),
        FaultCounts(client),
        LedgerStore(client),
        ObjectWrites(client),
        InputStore(client),
        RetentionStore(client),
        ErasureStore(client),
        AuditStore(client, settings.audit_retention_s, settings.max_audit_entries),
        PauseStore(client),
        UsageStore(client),
        RequeueStore(client),
        ModelStore(client, reuse_s=1.0),
        BucketStore(client),
        TenantList(client),
        SealingKeys(client, "api", settings),
        quotas,
    )
