"""Runs a Celery worker in this process, announces when it is ready, and ends the process when its device is lost."""

import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import structlog
from celery.signals import setup_logging, worker_ready, worker_shutting_down

from shared.ids import WorkerId
from shared.process.garbage import freeze_startup_objects
from shared.process.ready_file import announce, withdraw
from shared.settings.settings import Settings
from shared.store.renders.leases import Announcement
from shared.tracing.spans import flush_traces
from workers.consumer.health import HintHealth
from workers.consumer.polling import Poller
from workers.consumer.reconnecting import SteadyConsumer

log = structlog.get_logger()

EXIT_DEVICE_LOST = 75  # EX_TEMPFAIL of sysexits.h: a new process may succeed


def _nothing() -> None:
    """Does nothing. It is the default for the function that is called when the worker is ready."""


@dataclass(frozen=True, slots=True)
class Served:
    """The parts of a worker that `serve` needs.

    - `find_work` takes work without a hint (a Celery message that wakes workers) and returns whether it found some. It
      is None for a worker that polls for work by itself.
    - `on_ready` is called after the worker is announced as ready.
    - `on_shutdown` is called when the worker begins to shut down.
    """

    worker: Announcement
    hint_health: HintHealth
    find_work: Callable[[], bool] | None
    on_shutdown: Callable[[], None]
    on_ready: Callable[[], None] = _nothing


def serve(app: Any, served: Served, settings: Settings) -> None:
    """Runs the Celery worker until SIGTERM or SIGINT, then lets it finish its tasks (a warm shutdown).

    A second signal ends the process at once. With the thread pool, Celery itself would ignore a second signal. The
    ready file contains the worker's id, so that the supervisor can free the worker's leases when the process ends.
    """
    worker = served.worker
    poller = Poller(served.find_work, served.hint_health) if served.find_work else None

    def announce_ready(**_: object) -> None:
        freeze_startup_objects()
        if poller:
            poller.start()
        log.info("worker.ready", queue=worker.queue.value, slots=worker.slots)
        announce(settings.ready_file, worker.worker_id)
        served.on_ready()

    def shut_down(**_: object) -> None:
        if poller:
            poller.stop()
        served.on_shutdown()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: os._exit(1))

    setup_logging.connect(lambda **_: None, weak=False)  # otherwise Celery adds a log handler with its own format
    worker_ready.connect(announce_ready, weak=False)
    worker_shutting_down.connect(shut_down, weak=False)
    app.Worker(
        hostname=node_name(worker.worker_id),
        pool="threads",
        concurrency=worker.slots,
        queues=[worker.queue.value],
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=not settings.celery_events,
        task_events=settings.celery_events,
        quiet=True,
        consumer_cls=partial(SteadyConsumer, hint_health=served.hint_health),
    ).start()


def node_name(worker_id: WorkerId) -> str:
    """Returns the name of a worker in Celery's tools. It is unique, also on a host with several workers."""
    return f"{worker_id}@{socket.gethostname()}"


def abandon_process(ready_file: Path | None) -> NoReturn:
    """Ends the process at once after its device hung or failed. The supervisor starts another process.

    It does not wait for other threads, because a thread that waits for a hung device can't be joined.
    """
    withdraw(ready_file)
    flush_traces()
    os._exit(EXIT_DEVICE_LOST)


def leave_process() -> NoReturn:
    """Ends the process at once with exit status 0. Call this after a drain if a step still runs; all renders are then
    handed back already.

    A normal exit would free the Python interpreter while that step runs, and C++ libraries would abort.
    """
    flush_traces()
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)
