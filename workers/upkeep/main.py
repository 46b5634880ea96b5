"""Composition root of upkeep: `python -m workers.upkeep`. Any number of these may run."""

import signal
import threading
import time
from functools import partial

import structlog

from shared.hints.celery_app import make_celery
from shared.hints.send import Hints
from shared.objects.store import open_objects
from shared.process.background import Background
from shared.process.garbage import freeze_startup_objects
from shared.process.ready_file import announce
from shared.settings.settings import Settings
from shared.store.batches.batches import BatchStore
from shared.store.core.connect import connect
from shared.store.core.object_writes import ObjectWrites
from shared.store.files.files import FileStore
from shared.store.jobs.deleted import DoomedStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.handovers import HandoverStore
from workers.upkeep.batches import delete_batches, delete_deleted
from workers.upkeep.canary import keep_writing
from workers.upkeep.cleaner import keep_deleting
from workers.upkeep.deleted_jobs import delete_doomed
from workers.upkeep.files import delete_ended
from workers.upkeep.handovers import delete_handovers
from workers.upkeep.measure import Measuring
from workers.upkeep.service import Upkeep

log = structlog.get_logger()

_TICK_S = 0.5


def run(settings: Settings) -> None:
    """Runs upkeep's ticks until SIGTERM or SIGINT."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    client = connect(settings.redis_url, settings.durability)
    store = UpkeepStore(client)
    assert settings.redis_url
    upkeep = Upkeep(store, Hints(make_celery(settings.redis_url), store), settings, Measuring.of(client, settings))
    objects = open_objects(settings)
    kinds = (
        partial(delete_ended, FileStore(client), objects),
        partial(delete_doomed, DoomedStore(client), objects),
        partial(delete_handovers, HandoverStore(client), objects),
        partial(delete_deleted, BatchStore(client), objects),
        partial(delete_batches, BatchStore(client), objects, settings.batch_retention_s),
    )
    canary = (open_objects(settings, is_hasty=True), ObjectWrites(client), stopping)
    Background("canary", partial(keep_writing, *canary), stopping.is_set).start()
    Background("cleaner", partial(keep_deleting, kinds, stopping), stopping.is_set).start()
    log.info("upkeep.ready")
    freeze_startup_objects()
    announce(settings.ready_file)
    while not stopping.wait(_TICK_S):
        upkeep.run_once(time.monotonic())
