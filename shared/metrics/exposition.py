"""Serves a metrics page over HTTP on a port of its own. A scraper can neither end a role nor hold it up."""

import socket
import time
from socketserver import BaseServer, ThreadingMixIn
from threading import Lock, Thread
from typing import Any
from urllib.parse import urlsplit

import structlog
from prometheus_client import CollectorRegistry, MetricsHandler

from shared.errors import Misconfigured
from shared.metrics.catalogue import tell_build
from shared.metrics.page import page_of
from shared.settings.settings import Settings

log = structlog.get_logger()

PATH = "/metrics"
_BACKLOG = 16
_MOST_OPEN = 8  # connections; a further one closes the oldest, so that those who hang keep nobody out
_PATIENCE_S = 5.0  # for a request, and for each piece of a response to be taken
_PAUSE_S = 1.0


def expose(settings: Settings, role: str) -> None:
    """Serves the page of a role of one process, if the settings name a port. Raises `Misconfigured` as `listen`."""
    if settings.metrics_port is not None:
        tell_build(role)
        serve(listen(settings.metrics_host, settings.metrics_port), page_of(role))


def listen(host: str, port: int) -> socket.socket:
    """Raises `Misconfigured` when the port is taken or the host is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        why = f"can't serve metrics on {host} port {port} ({error.strerror})"
        raise Misconfigured(f"{why}: set GRIDPRESS_METRICS_PORT") from error


def serve(listener: socket.socket, page: CollectorRegistry) -> None:
    """Serves the page at `/metrics` in daemon threads, until the process ends."""
    Thread(target=_Server(listener, page).run, name="metrics", daemon=True).start()


class _Handler(MetricsHandler):
    timeout = _PATIENCE_S
    server_version, sys_version = "gridpress", ""

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        if urlsplit(self.path).path == PATH:
            self.path = PATH  # the library would read a selection from the query, which pages of ours can't make
            super().do_GET()
        else:
            self.send_error(404)


class _Server(ThreadingMixIn, BaseServer):
    """One thread accepts, and one serves each of a few connections."""

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
            except Exception:  # no descriptor or no thread now: there may be one in a moment
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
        """Logs a failed scrape with its traceback, instead of printing it to stderr."""
        log.info("metrics.scrape_failed", exc_info=True)

    @staticmethod
    def _hang_up(client: socket.socket) -> None:
        try:
            client.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
