"""Runs one API process: gunicorn's gevent worker, with connection limits and fairness between clients.

Before it ends, the process lets its running requests finish.
"""

import ctypes
import os
import signal
import socket
import sys
import time
from functools import partial
from types import TracebackType
from typing import Any

import gevent
import structlog
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.http.errors import NoMoreData
from gunicorn.util import close_graceful
from gunicorn.workers.ggevent import GeventWorker
from structlog.contextvars import bind_contextvars, clear_contextvars

from api.connections.connection import Connection
from api.connections.framing import StrictParser
from api.connections.shedding import ConnectionShedder
from api.edge import access_log
from api.edge.early_errors import id_of, method_of, refusal_of, response
from api.edge.request_metrics import count_unread
from shared.metrics.catalogue import HTTP_CONNECTIONS
from shared.process.garbage import freeze_startup_objects

log = structlog.get_logger()

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_ACCEPT = 32  # connections accepted at once: enough for a burst, and the other processes still get a share
_POLL_S = 0.001  # greenlets run for at most so long before gevent checks the sockets again; its default is 5 ms
_BEAT_S = 1.0  # interval of heartbeats; gunicorn kills a worker that sends none for its `timeout`


class Worker(GeventWorker):
    """A gunicorn worker process that serves `app.wsgi()` until SIGTERM. `app` is `api.server.arbiter.Application`."""

    def patch(self) -> None:
        """Turns gunicorn's listening socket into a gevent socket.

        `python -m api` has applied all other monkey patches.
        """
        self.sockets: Any = [
            socket.socket(one.FAMILY, socket.SOCK_STREAM, fileno=one.sock.detach()) for one in self.sockets
        ]

    def init_process(self) -> None:
        _die_with_parent(self.ppid)
        gevent.setswitchinterval(_POLL_S)
        gevent.get_hub().print_exception = _log_greenlet
        super().init_process()

    def init_signals(self) -> None:
        """Sets the signal handlers of this process. Ignores SIGINT, which a terminal sends to all processes.

        The parent process handles SIGINT.
        """
        super().init_signals()
        self._stopping = Event()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gevent.signal_handler(signal.SIGTERM, self._stop)

    def load_wsgi(self) -> None:
        self.wsgi = self.app.load_in(self)

    def pause(self, duration_s: float) -> bool:
        """Notifies the arbiter that this process is alive, and then waits up to `duration_s` seconds.

        Returns False if the process must end.
        """
        self.notify()
        self._stopping.wait(duration_s)
        return bool(self.alive)

    def run(self) -> None:
        if not self.alive:
            return
        [listener] = self.sockets
        listener.setblocking(True)
        pool = Pool(self.worker_connections)
        self._shedder = ConnectionShedder(pool)
        server = StreamServer(listener, handle=partial(self.handle, listener), spawn=pool)
        server.max_accept = _ACCEPT
        freeze_startup_objects()
        server.start()
        self.app.on_serving(self)
        while self.pause(_BEAT_S):
            self._shedder.make_room(_BEAT_S)
        server.close()
        self._drain(pool)

    def handle(self, listener: socket.socket, client: socket.socket, addr: Any) -> None:
        """Serves all requests of one connection, and counts the connection in the metric of open connections."""
        with HTTP_CONNECTIONS.track_inprogress():
            self._handle(listener, client, addr)

    def _handle(self, listener: socket.socket, client: socket.socket, addr: Any) -> None:
        self._shedder.make_room()
        connection = Connection(client, self.app.connection_limits, self._shedder)
        try:
            self._serve(listener.getsockname(), connection, addr)
        except (NoMoreData, ConnectionError):
            pass
        except Exception as error:  # noqa: BLE001 - any error becomes a response, and must not stop other connections
            self._refuse(connection, error)
        finally:
            connection.close()

    def handle_request(self, listener_name: Any, req: Any, sock: Connection, addr: Any) -> None:
        sock.expect_body()
        try:
            super().handle_request(listener_name, req, sock, addr)
        finally:
            try:
                sock.flush()
            finally:
                sock.end_request()

    def _serve(self, name: Any, connection: Connection, addr: Any) -> None:
        parser = StrictParser(self.cfg, connection, addr)
        try:
            for request in parser:
                began_at = time.monotonic()
                self.handle_request(name, request, connection, addr)
                if parser.has_more:  # pipelined requests would otherwise block the event loop
                    gevent.sleep(time.monotonic() - began_at)
                connection.expect_rest()
                if not self.alive or not parser.finish_body():
                    break
                connection.expect_request(is_begun=parser.has_more)
                self._shedder.make_room()
        except StopIteration:  # gunicorn raises this after the last response of a connection
            connection.expect_rest()
        if parser.mesg:
            close_graceful(connection, max_drain=sys.maxsize)

    def _refuse(self, connection: Connection, error: Exception) -> None:
        if connection.is_idle:
            return
        refusal, request_id = refusal_of(error), id_of(error)
        clear_contextvars()  # drops the log fields of the previous request on this connection
        bind_contextvars(request_id=request_id)
        if refusal.status >= 500 and not isinstance(error, OSError):
            log.error("request.broken_off", exc_info=error)
        count_unread(error)
        refusal_bytes = response(error, request_id)
        num_bytes = len(refusal_bytes.partition(b"\r\n\r\n")[2])
        access_log.log_refusal(method_of(error), refusal.status, refusal.code, connection.request_s, num_bytes)
        try:
            connection.send_last(refusal_bytes)
            connection.expect_rest()
            close_graceful(connection, max_drain=sys.maxsize)
        except OSError:
            return

    def _stop(self) -> None:
        self.alive = False
        self._stopping.set()

    def _drain(self, pool: Pool) -> None:
        """Lets the running requests of this process finish before the process ends. Requests that wait for a job stop
        waiting.

        After `drain_grace_s` seconds, the remaining connections are cut.
        """
        self.app.stop()
        self._shedder.close()
        ends_at = time.monotonic() + self.app.drain_grace_s
        while not pool.join(timeout=min(_BEAT_S, max(0.0, ends_at - time.monotonic()))):
            self.notify()
            if time.monotonic() >= ends_at:
                log.warning("api.cut_off", num_connections=len(pool))
                pool.kill(block=False)
                return


def _log_greenlet(_context: object, kind: type[BaseException], error: BaseException, trace: TracebackType) -> None:
    """Logs the error that ended a greenlet. gevent would print it to stderr instead."""
    log.error("greenlet.crashed", exc_info=(kind, error, trace))


def _die_with_parent(parent: int) -> None:
    """Makes the kernel kill this process when its parent dies, so that no orphan serves on the port. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before `prctl` took effect
        os._exit(1)
