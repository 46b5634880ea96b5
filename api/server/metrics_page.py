"""Serves the API's metrics page on a separate port. Any process can respond, with the sums over all processes."""

import os
import socket
from collections.abc import Iterable
from functools import cache

import structlog
from gevent.threadpool import ThreadPool
from prometheus_client.metrics_core import Metric

from shared.metrics import processes as several
from shared.metrics.catalogue import set_build_info
from shared.metrics.exposition import listen, serve
from shared.metrics.page import page_of
from shared.settings.settings import Settings

log = structlog.get_logger()


def listen_for_all(settings: Settings, num_processes: int) -> int | None:
    """Opens the metrics port, and returns the file descriptor of the listening socket that all API processes share.

    Returns None if no metrics port is set, or if there is no folder for the metrics files of several processes. Raises
    `Misconfigured` when the port is in use.
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
    """Starts to serve the metrics page in this process.

    Logs any error, so that the API also serves without the page.
    """
    try:
        set_build_info("api")
        serve(socket.socket(fileno=os.dup(listener)), page_of("api", _BackgroundCollector()))
    except Exception:
        log.exception("metrics.not_served")


class _BackgroundCollector:
    """A Prometheus collector that reads the metrics of all processes in a thread, so that no greenlet waits."""

    def collect(self) -> Iterable[Metric]:
        metrics: Iterable[Metric] = _thread().apply(several.collected)
        return metrics


@cache
def _thread() -> ThreadPool:
    return ThreadPool(1)
