"""The API's metrics page. Each process serves the sum of all, on one port that is not the public one."""

import os
import socket
from collections.abc import Iterable
from functools import cache

import structlog
from gevent.threadpool import ThreadPool
from prometheus_client.metrics_core import Metric

from shared.metrics import processes as several
from shared.metrics.catalogue import tell_build
from shared.metrics.exposition import listen, serve
from shared.metrics.page import page_of
from shared.settings.settings import Settings

log = structlog.get_logger()


def listen_for_all(settings: Settings, num_processes: int) -> int | None:
    """Returns the descriptor of a listener that all processes share; None where no metrics are to be served.

    Raises `Misconfigured` when the port is taken.
    """
    if settings.metrics_port is None:
        return None
    listener = listen(settings.metrics_host, settings.metrics_port).detach()
    if several.allot(num_processes):
        return listener
    log.error("metrics.not_served", reason="no folder for the values of several processes")
    os.close(listener)
    return None


def serve_in_this_process(listener: int) -> None:
    """Starts to serve. Whatever goes wrong with that, requests are served."""
    try:
        tell_build("api")
        serve(socket.socket(fileno=os.dup(listener)), page_of("api", _Apart()))
    except Exception:
        log.exception("metrics.not_served")


class _Apart:
    """Reads the values of all processes in a thread of its own, so that requests are served meanwhile."""

    def collect(self) -> Iterable[Metric]:
        metrics: Iterable[Metric] = _thread().apply(several.collected)
        return metrics


@cache
def _thread() -> ThreadPool:
    return ThreadPool(1)
