"""Runs a Celery worker on a thread pool until it is told to stop. Says when it is ready and when it must drain."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from celery.signals import worker_ready, worker_shutting_down

from shared.queues import Queue

log = structlog.get_logger()


def serve(app: Any, queue: Queue, slots: int, ready_file: Path | None, on_shutdown: Callable[[], None]) -> None:
    """Blocks until a warm shutdown. Celery ignores a second SIGTERM on this pool, so ours ends the process."""

    def announce_ready(**_: object) -> None:
        log.info("worker.ready", queue=queue.value, slots=slots)
        if ready_file:
            ready_file.touch()

    def shut_down(**_: object) -> None:
        on_shutdown()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: os._exit(1))

    worker_ready.connect(announce_ready, weak=False)
    worker_shutting_down.connect(shut_down, weak=False)
    app.Worker(
        pool="threads",
        concurrency=slots,
        queues=[queue.value],
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    ).start()
