"""Composition root of upkeep: `python -m workers.upkeep`. Any number of these may run."""

import signal
import threading
import time
from functools import partial

import structlog

from shared.background import Background
from shared.celery_app import make_celery
from shared.garbage import freeze_startup_objects
from shared.hints import Hints
from shared.objects import open_objects
from shared.ready_file import announce
from shared.settings import Settings
from shared.store.batches import BatchStore
from shared.store.connect import connect
from shared.store.doomed import DoomedStore
from shared.store.files import FileStore
from shared.store.handovers import HandoverStore
from shared.store.object_writes import ObjectWrites
from shared.store.upkeep import UpkeepStore
from workers.upkeep.batches import delete_batches, delete_deleted
from workers.upkeep.canary import keep_writing
from workers.upkeep.cleaner import keep_deleting
from workers.upkeep.doomed import delete_doomed
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
