"""Composition root of a batch worker: `python -m workers.batches`."""

import threading
from functools import partial

import structlog

from shared.egress.images import ImageFetcher
from shared.egress.rules import EgressRules
from shared.errors import StoreUnavailable
from shared.hints.celery_app import make_celery
from shared.hints.queues import Queue
from shared.hints.send import Hints
from shared.ids import Revision, WorkerId, new_worker_id
from shared.images.decoders import decoders_of
from shared.intake.spec import Intake
from shared.objects.store import ObjectStore, open_objects
from shared.process.background import Background
from shared.schedule.planning import costs_of_profile
from shared.settings.settings import Settings
from shared.store.access.capacity import Capacity
from shared.store.access.key_ring import KeyRing
from shared.store.access.keys import KeyStore
from shared.store.access.rate_limits import RateLimits
from shared.store.batch_work.work import BatchRules, BatchWork
from shared.store.batches.batches import BatchStore
from shared.store.core.connect import Client, connect
from shared.store.files.files import FileStore
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement, LeaseRules, LeaseStore
from workers.batches.limits import Limits
from workers.batches.release import Releaser
from workers.batches.service import BatchService
from workers.batches.step import Tools
from workers.consumer.health import Hearing
from workers.consumer.hints import on_hint
from workers.consumer.serving import Served, serve
from workers.engine.heartbeat import Heartbeat

log = structlog.get_logger()

_SLOTS = 4  # batches that are worked on at once
_LEASE_TTL_S = 60.0  # a batch of a worker that died waits as long; what takes longer than a part of it renews it
_POLL_S = 0.2  # in which a worker looks without having been told: what ends in a stage sends no hint here
_PAUSE_S = 1.0  # while the store is away


def run(settings: Settings) -> None:
    """Works until SIGTERM, then finishes the steps under way. Other workers continue what these leave open."""
    client = connect(settings.redis_url, settings.durability)
    assert settings.redis_url
    app = make_celery(settings.redis_url)
    worker = Announcement(new_worker_id("batch"), Queue.BATCH, _SLOTS, Revision(""))
    hints = Hints(app, UpkeepStore(client))
    service = make_service(client, open_objects(settings), hints, settings, worker.worker_id)
    leases = LeaseStore(client, LeaseRules(settings.lease_ttl_s, settings.prior_ready_limit_min))
    stopping, woken = threading.Event(), threading.Event()
    hearing = Hearing(_SLOTS, Queue.BATCH)
    on_hint(app, Queue.BATCH, woken.set, hearing)
    threads = [Background("batches", partial(_work, service, stopping, woken), stopping.is_set) for _ in range(_SLOTS)]
    heartbeat = Heartbeat(
        lambda _: dict.fromkeys(leases.beat(worker, [], signs=hearing.signs()), True),
        held=list,
        revoke=lambda _: None,
        is_alive=lambda _: True,
        on_hang=lambda: None,
        interval_s=settings.lease_ttl_s / 3,
    )
    heartbeat.start()
    for thread in threads:
        thread.start()
    serve(app, Served(worker, hearing, None, stopping.set), settings.ready_file)
    for thread in threads:
        thread.join()
    heartbeat.stop()
    leases.leave(worker)


def make_service(
    client: Client, objects: ObjectStore, hints: Hints, settings: Settings, worker: WorkerId | None = None
) -> BatchService:
    """Composes the service that works on batches."""
    pace = BatchRules(_LEASE_TTL_S, settings.batch_spare, settings.batch_job_stay_s, settings.retention_s)
    rules = EgressRules.of(settings, KeyRing(KeyStore(client)).is_open)
    tools = Tools(BatchWork(client, pace, worker), BatchStore(client), objects, settings, rules)
    jobs = JobStore(client, costs=costs_of_profile(settings.cost_profile))
    files = FileStore(client)
    fetcher, decoders = ImageFetcher.of(settings, rules), decoders_of(settings.max_image_pixels)
    intake = Intake(settings, rules, jobs, objects, fetcher, files, decoders)
    limits = Limits(Capacity(client, settings), jobs, KeyStore(client), RateLimits(client))
    return BatchService(tools, jobs, files, Releaser(tools, intake, jobs, hints, limits))


def _work(service: BatchService, stopping: threading.Event, woken: threading.Event) -> None:
    while not stopping.is_set():
        try:
            if not service.work_one():
                woken.wait(_POLL_S)
                woken.clear()
        except StoreUnavailable as error:
            log.warning("batch.store_unavailable", error=str(error))
            stopping.wait(_PAUSE_S)
