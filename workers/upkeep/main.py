"""Composition root of upkeep: `python -m workers.upkeep`. Any number of these may run."""

import signal
import threading
import time

import structlog

from shared.celery_app import make_celery
from shared.hints import Hints
from shared.settings import Settings
from shared.store.connect import connect
from shared.store.upkeep import UpkeepStore
from workers.upkeep.service import Upkeep

log = structlog.get_logger()

_TICK_S = 0.5


def run(settings: Settings) -> None:
    """Ticks until SIGTERM or SIGINT."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    store = UpkeepStore(connect(settings.redis_url, settings.durability))
    assert settings.redis_url
    upkeep = Upkeep(store, Hints(make_celery(settings.redis_url), store), settings)
    log.info("upkeep.ready")
    if settings.ready_file:
        settings.ready_file.touch()
    while not stopping.wait(_TICK_S):
        upkeep.run_once(time.monotonic())
