"""Composition root of a batch worker: creates its parts and runs it. `python -m workers.batches` starts it."""

import threading
from functools import partial

import structlog

from shared.celery_app import make_celery
from shared.egress.images import ImageFetcher
from shared.egress.rules import EgressRules
from shared.errors import StoreUnavailable
from shared.hints.queues import Queue
from shared.ids import Revision, WorkerId, new_worker_id
from shared.images.decoders import decoders_of
from shared.intake.spec import Intake
from shared.objects.store import ObjectStore, open_objects
from shared.process.background import Background
from shared.schedule.profile import costs_of_profile
from shared.settings.settings import Settings
from shared.store.access.admission import Admission
from shared.store.access.capacity import Capacity
from shared.store.access.key_ring import KeyRing
from shared.store.access.keys import KeyStore
from shared.store.access.rate_limits import RateLimits
from shared.store.backups.holds import BackupHolds
from shared.store.batch_work.work import BatchRules, BatchWork
from shared.store.batches.batches import BatchStore
from shared.store.core.connect import Client
from shared.store.core.opening import open_store
from shared.store.files.files import FileStore
from shared.store.inputs.inputs import InputStore
from shared.store.jobs.jobs import JobStore
from shared.store.models.models import ModelStore
from shared.store.queues.hints import Hints
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement, LeaseRules, LeaseStore
from shared.store.usage.usage import UsageStore
from workers.batches.release import Releaser
from workers.batches.service import BatchService
from workers.batches.tools import Tools
from workers.consumer.health import HintHealth
from workers.consumer.hints import on_hint
from workers.consumer.serving import Served, serve
from workers.engine.heartbeat import Heartbeat

log = structlog.get_logger()

_SLOTS = 4  # threads; each works on one batch at a time
# A batch whose worker died waits this long for another worker. A longer step renews the lease on the way.
_LEASE_TTL_S = 60.0
_POLL_S = 0.2  # An idle thread polls this often, because the end of a render sends no hint to this queue.
_MODELS_REUSE_S = 1.0  # a step reads the models for each of its lines
_PAUSE_S = 1.0  # between two tries while the store is unavailable


def run(settings: Settings) -> None:
    """Runs the batch worker until SIGTERM, then finishes the steps under way.

    Other batch workers continue the batches that have not ended.
    """
    client = open_store(settings)
    assert settings.redis_url
    app = make_celery(settings.redis_url)
    worker = Announcement(new_worker_id("batch"), Queue.BATCH, _SLOTS, Revision(""))
    hints = Hints(app, UpkeepStore(client))
    service = make_service(client, open_objects(settings), hints, settings, worker.worker_id)
    leases = LeaseStore(client, LeaseRules(settings.lease_ttl_s, settings.prior_ready_limit_min))
    stopping, woken = threading.Event(), threading.Event()
    hint_health = HintHealth(_SLOTS, Queue.BATCH)
    on_hint(app, Queue.BATCH, woken.set, hint_health)
    threads = [Background("batches", partial(_work, service, stopping, woken), stopping.is_set) for _ in range(_SLOTS)]
    heartbeat = Heartbeat(
        lambda _: dict.fromkeys(leases.beat(worker, [], signs=hint_health.signs()), True),
        held=list,
        revoke=lambda _: None,
        is_alive=lambda _: True,
        on_hang=lambda: None,
        interval_s=settings.lease_ttl_s / 3,
    )
    heartbeat.start()
    for thread in threads:
        thread.start()
    serve(app, Served(worker, hint_health, None, stopping.set), settings)
    for thread in threads:
        thread.join()
    heartbeat.stop()
    leases.leave(worker)


def make_service(
    client: Client, objects: ObjectStore, hints: Hints, settings: Settings, worker: WorkerId | None = None
) -> BatchService:
    """Creates and returns the service that works on batches, with the stores and rules that the service uses."""
    batch_rules = BatchRules(_LEASE_TTL_S, settings.batch_spare, settings.batch_job_stay_s, settings.retention_s)
    rules = EgressRules.of(settings, KeyRing(KeyStore(client)).is_open)
    work = BatchWork(client, batch_rules, worker)
    models = ModelStore(client, reuse_s=_MODELS_REUSE_S)
    tools = Tools(work, BatchStore(client), objects, BackupHolds(client), settings, rules, models)
    checks_prompts = settings.prompt_hook_url is not None
    jobs = JobStore(client, costs=costs_of_profile(settings.cost_profile), checks_prompts=checks_prompts)
    files = FileStore(client)
    fetcher, decoders = ImageFetcher.of(settings, rules), decoders_of(settings.max_image_pixels)
    intake = Intake(settings, rules, jobs, objects, fetcher, files, decoders, InputStore(client), models)
    admission = Admission(Capacity(client, settings), jobs, RateLimits(client), UsageStore(client))
    return BatchService(tools, jobs, files, Releaser(tools, intake, jobs, hints, KeyStore(client), admission))


def _work(service: BatchService, stopping: threading.Event, woken: threading.Event) -> None:
    """Works on one batch after another until `stopping` is set.

    When no batch is due, waits for a hint (a Celery message that wakes workers), but no longer than 0.2 s.
    """
    while not stopping.is_set():
        try:
            if not service.work_one():
                woken.wait(_POLL_S)
                woken.clear()
        except StoreUnavailable as error:
            log.warning("batch.store_unavailable", error=str(error))
            stopping.wait(_PAUSE_S)
