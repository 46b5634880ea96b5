"""Runs a Celery worker in this process, announces when it is ready, and ends the process when its device is lost."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import structlog
from celery.signals import setup_logging, worker_ready, worker_shutting_down

from shared.process.garbage import freeze_startup_objects
from shared.process.ready_file import announce, withdraw
from shared.store.renders.leases import Announcement
from shared.tracing.spans import flush_traces
from workers.consumer.health import Hearing
from workers.consumer.polling import Lookout
from workers.consumer.reconnecting import SteadyConsumer

log = structlog.get_logger()

EXIT_DEVICE_LOST = 75  # EX_TEMPFAIL of sysexits.h: the same again, in a fresh process, may well succeed


def _nothing() -> None:
    """The worker has nothing to begin."""


@dataclass(frozen=True, slots=True)
class Served:
    """What `serve` needs of a worker. `look` finds work without a hint; None for a worker that polls anyway.

    `on_ready` is called once the worker is announced.
    """

    worker: Announcement
    hearing: Hearing
    look: Callable[[], bool] | None
    on_shutdown: Callable[[], None]
    on_ready: Callable[[], None] = _nothing


def serve(app: Any, served: Served, ready_file: Path | None) -> None:
    """Blocks until a warm shutdown. A second SIGTERM ends the process, which Celery would ignore with this pool.

    The ready file holds the worker's id, so that the supervisor can free its leases when the process ends.
    """

    worker = served.worker
    lookout = Lookout(served.look, served.hearing) if served.look else None

    def announce_ready(**_: object) -> None:
        freeze_startup_objects()
        if lookout:
            lookout.start()
        log.info("worker.ready", queue=worker.queue.value, slots=worker.slots)
        announce(ready_file, worker.worker_id)
        served.on_ready()

    def shut_down(**_: object) -> None:
        if lookout:
            lookout.stop()
        served.on_shutdown()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: os._exit(1))

    setup_logging.connect(lambda **_: None, weak=False)  # else Celery adds a handler with a format of its own
    worker_ready.connect(announce_ready, weak=False)
    worker_shutting_down.connect(shut_down, weak=False)
    app.Worker(
        pool="threads",
        concurrency=worker.slots,
        queues=[worker.queue.value],
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
        consumer_cls=partial(SteadyConsumer, hearing=served.hearing),
    ).start()


def abandon_process(ready_file: Path | None) -> NoReturn:
    """Ends the process after its device hung or broke down; the supervisor starts another.

    It exits at once without cleaning up, since a thread that waits for a hung device can't be joined.
    """
    withdraw(ready_file)
    flush_traces()
    os._exit(EXIT_DEVICE_LOST)


def leave_process() -> NoReturn:
    """Ends the process with success at once, after a drain that left a running step behind. All its renders were handed
    back.

    A normal exit of Python would free the interpreter under that step, and C++ libraries would abort.
    """
    flush_traces()
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)
