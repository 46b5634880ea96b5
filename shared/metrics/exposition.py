"""Serves a metrics page over HTTP on a separate port. A slow or failing scraper does not delay the process."""

import socket
import time
from socketserver import BaseServer, ThreadingMixIn
from threading import Lock, Thread
from typing import Any
from urllib.parse import urlsplit

import structlog
from prometheus_client import CollectorRegistry, MetricsHandler

from shared.errors import Misconfigured
from shared.metrics.catalogue import set_build_info
from shared.metrics.page import page_of
from shared.settings.settings import Settings

log = structlog.get_logger()

PATH = "/metrics"
_BACKLOG = 16
_MOST_OPEN = 8  # connections; a further one closes the oldest, so that hanging scrapers block no others
_PATIENCE_S = 5.0  # timeout for the request, and for each write of the response
_PAUSE_S = 1.0


def expose(settings: Settings, role: str) -> None:
    """Serves the metrics page of a role that is a single process, if the settings name a port. Raises `Misconfigured`
    if the port can't be used.
    """
    if settings.metrics_port is not None:
        set_build_info(role)
        serve(listen(settings.metrics_host, settings.metrics_port), page_of(role))


def listen(host: str, port: int) -> socket.socket:
    """Returns a listening socket. Raises `Misconfigured` if the port is taken or the address does not belong to this
    machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        why = f"can't serve metrics on {host} port {port} ({error.strerror})"
        raise Misconfigured(f"{why}: set GRIDPRESS_METRICS_PORT to another port") from error


def serve(listener: socket.socket, page: CollectorRegistry) -> None:
    """Serves the page at `/metrics` in daemon threads until the process ends."""
    Thread(target=_Server(listener, page).run, name="metrics", daemon=True).start()


class _Handler(MetricsHandler):
    timeout = _PATIENCE_S
    server_version, sys_version = "gridpress", ""

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        if urlsplit(self.path).path == PATH:
            self.path = PATH  # without the query, in which the library would look for names of metrics to select
            super().do_GET()
        else:
            self.send_error(404)


class _Server(ThreadingMixIn, BaseServer):
    """The HTTP server of a metrics page. One thread accepts connections. Each connection has its own thread, and at
    most 8 are open.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket, page: CollectorRegistry) -> None:
        super().__init__(listener.getsockname(), _Handler.factory(page))
        self._listener = listener
        self._lock = Lock()
        self._open: list[socket.socket] = []

    def run(self) -> None:
        while True:
            try:
                self._accept_one()
            except Exception:  # no file descriptor or no thread is free; try again after a pause
                log.warning("metrics.not_served", exc_info=True)
                time.sleep(_PAUSE_S)

    def _accept_one(self) -> None:
        client, address = self._listener.accept()
        with self._lock:
            self._open.append(client)
            oldest = self._open[0] if len(self._open) > _MOST_OPEN else None
        if oldest is not None:
            self._hang_up(oldest)
        try:
            self.process_request(client, address)
        except BaseException:
            self.shutdown_request(client)
            raise

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            if request in self._open:
                self._open.remove(request)
        self._hang_up(request)
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Logs a failed scrape of the metrics page with its traceback, instead of printing it to stderr."""
        log.info("metrics.scrape_failed", exc_info=True)

    @staticmethod
    def _hang_up(client: socket.socket) -> None:
        try:
            client.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
