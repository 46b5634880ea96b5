"""Composition root of upkeep: creates its parts and runs it. `python -m workers.upkeep` starts it.

Any number of upkeep processes may run at the same time.
"""

import signal
import threading
import time
from functools import partial

import structlog

from shared.celery_app import make_celery
from shared.egress.client import EgressClient
from shared.egress.rules import EgressRules
from shared.objects.bucket_clients import BucketClients
from shared.objects.store import open_objects
from shared.process.background import Background
from shared.process.garbage import freeze_startup_objects
from shared.process.ready_file import announce
from shared.settings.settings import Settings
from shared.store.access.key_ring import KeyRing
from shared.store.access.keys import KeyStore
from shared.store.batches.batches import BatchStore
from shared.store.core.object_writes import ObjectWrites
from shared.store.core.opening import open_store
from shared.store.files.files import FileStore
from shared.store.inputs.inputs import InputStore
from shared.store.inputs.sweep import InputSweepStore
from shared.store.jobs.deleted import DeletedJobStore
from shared.store.jobs.kept import KeptJobs
from shared.store.queues.hints import Hints
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.handovers import HandoverStore
from workers.consumer.sealing import watch_sealing
from workers.upkeep.batches import delete_deleted_batches, purge_old_batches
from workers.upkeep.canary import keep_writing
from workers.upkeep.cleaner import keep_deleting
from workers.upkeep.deleted_jobs import delete_objects_of_deleted_jobs
from workers.upkeep.erasure import Eraser
from workers.upkeep.files import delete_ended_files
from workers.upkeep.handovers import delete_handovers
from workers.upkeep.inputs import InputSweep, delete_unused_inputs
from workers.upkeep.kept import forget_lost_jobs
from workers.upkeep.measure import Measuring
from workers.upkeep.service import Upkeep

log = structlog.get_logger()

_TICK_S = 0.5


def run(settings: Settings) -> None:
    """Runs a tick of upkeep every 0.5 s until SIGTERM or SIGINT. Deletes objects on another thread."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    client = open_store(settings)
    store = UpkeepStore(client)
    assert settings.redis_url
    upkeep = Upkeep(store, Hints(make_celery(settings.redis_url), store), settings, Measuring.of(client, settings))
    objects = open_objects(settings)
    egress = EgressClient(EgressRules.of(settings, KeyRing(KeyStore(client)).is_open))
    kinds = (
        partial(delete_ended_files, FileStore(client), objects),
        partial(delete_objects_of_deleted_jobs, DeletedJobStore(client), objects),
        partial(delete_unused_inputs, InputStore(client), objects),
        InputSweep(InputSweepStore(client), objects, settings.retention_s).step,
        partial(delete_handovers, HandoverStore(client), objects),
        partial(forget_lost_jobs, KeptJobs(client, objects)),
        partial(delete_deleted_batches, BatchStore(client), objects),
        partial(purge_old_batches, BatchStore(client), objects, settings.batch_retention_s),
    )
    eraser = Eraser(client, objects, BucketClients.of(settings, egress))
    watch_sealing(client, "upkeep", settings, stopping)
    canary = (open_objects(settings, fails_fast=True), ObjectWrites(client), stopping)
    Background("canary", partial(keep_writing, *canary), stopping.is_set).start()
    Background("cleaner", partial(keep_deleting, kinds, stopping), stopping.is_set).start()
    # A thread of its own: it asks servers of tenants, which may be slow, and the other kinds must not wait for them.
    Background("eraser", partial(keep_deleting, (eraser.step,), stopping), stopping.is_set).start()
    log.info("upkeep.ready")
    freeze_startup_objects()
    announce(settings.ready_file)
    while not stopping.wait(_TICK_S):
        upkeep.run_once(time.monotonic())
