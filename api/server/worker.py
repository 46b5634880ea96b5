"""One process of the API: gunicorn's gevent worker with connection limits, fair scheduling and a drain."""

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

from api.edge import access_log
from api.edge.request_metrics import count_unread
from api.problems.early import id_of, method_of, refusal_of, response
from api.server.connection import Connection
from api.server.connection_limits import Lobby
from api.server.framing import StrictParser
from shared.metrics.catalogue import HTTP_CONNECTIONS
from shared.process.garbage import freeze_startup_objects

log = structlog.get_logger()

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_ACCEPT = 32  # at once: a burst must be let in soon, and what one process can't take is for the others
_POLL_S = 0.001  # at most, without a look at what the connections bring; gevent's own are 5 ms
_BEAT_S = 1.0  # gunicorn kills a worker that is silent for its `timeout`


class Worker(GeventWorker):
    """Serves `app.wsgi()` until SIGTERM. `app` is `api.server.arbiter.Application`."""

    def patch(self) -> None:
        """Turns the listener into gevent's socket. `python -m api` has applied all other monkey patches before."""
        self.sockets: Any = [
            socket.socket(one.FAMILY, socket.SOCK_STREAM, fileno=one.sock.detach()) for one in self.sockets
        ]

    def init_process(self) -> None:
        _die_with_parent(self.ppid)
        gevent.setswitchinterval(_POLL_S)
        gevent.get_hub().print_exception = _log_greenlet
        super().init_process()

    def init_signals(self) -> None:
        """Ignores SIGINT, which a terminal sends to all processes: the parent decides."""
        super().init_signals()
        self._stopping = Event()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gevent.signal_handler(signal.SIGTERM, self._stop)

    def load_wsgi(self) -> None:
        self.wsgi = self.app.load_in(self)

    def pause(self, duration_s: float) -> bool:
        """Waits. Returns whether the process should go on."""
        self.notify()
        self._stopping.wait(duration_s)
        return bool(self.alive)

    def run(self) -> None:
        if not self.alive:
            return
        [listener] = self.sockets
        listener.setblocking(True)
        pool = Pool(self.worker_connections)
        self._lobby = Lobby(pool)
        server = StreamServer(listener, handle=partial(self.handle, listener), spawn=pool)
        server.max_accept = _ACCEPT
        freeze_startup_objects()
        server.start()
        self.app.on_serving(self)
        while self.pause(_BEAT_S):
            self._lobby.make_room(_BEAT_S)
        server.close()
        self._drain(pool)

    def handle(self, listener: socket.socket, client: socket.socket, addr: Any) -> None:
        """Serves one connection from its first request to its last."""
        with HTTP_CONNECTIONS.track_inprogress():
            self._handle(listener, client, addr)

    def _handle(self, listener: socket.socket, client: socket.socket, addr: Any) -> None:
        self._lobby.make_room()
        connection = Connection(client, self.app.pace, self._lobby)
        try:
            self._serve(listener.getsockname(), connection, addr)
        except (NoMoreData, ConnectionError):
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told, and the others are served
            self._refuse(connection, error)
        finally:
            connection.close()

    def handle_request(self, listener_name: Any, req: Any, sock: Connection, addr: Any) -> None:
        sock.expect_body()
        try:
            super().handle_request(listener_name, req, sock, addr)
        finally:
            sock.flush()

    def _serve(self, name: Any, connection: Connection, addr: Any) -> None:
        parser = StrictParser(self.cfg, connection, addr)
        try:
            for request in parser:
                began_at = time.monotonic()
                self.handle_request(name, request, connection, addr)
                if parser.has_more:  # requests sent before their turn would keep the loop for themselves
                    gevent.sleep(time.monotonic() - began_at)
                connection.expect_rest()
                if not self.alive or not parser.finish_body():
                    break
                connection.expect_request(is_begun=parser.has_more)
                self._lobby.make_room()
        except StopIteration:  # gunicorn's word for an answer that was the last
            connection.expect_rest()
        if parser.mesg:
            close_graceful(connection, max_drain=sys.maxsize)

    def _refuse(self, connection: Connection, error: Exception) -> None:
        if connection.is_idle:
            return
        refusal, request_id = refusal_of(error), id_of(error)
        clear_contextvars()  # of the request before on this connection
        bind_contextvars(request_id=request_id)
        if refusal.status >= 500 and not isinstance(error, OSError):
            log.error("request.broken_off", exc_info=error)
        count_unread(error)
        told = response(error, request_id)
        num_bytes = len(told.partition(b"\r\n\r\n")[2])
        access_log.tell_refused(method_of(error), refusal.status, refusal.code, connection.request_s, num_bytes)
        try:
            connection.send_last(told)
            connection.expect_rest()
            close_graceful(connection, max_drain=sys.maxsize)
        except OSError:
            return

    def _stop(self) -> None:
        self.alive = False
        self._stopping.set()

    def _drain(self, pool: Pool) -> None:
        """Ends all waits and lets running requests finish, within `drain_grace_s`."""
        self.app.stop()
        self._lobby.close()
        ends_at = time.monotonic() + self.app.drain_grace_s
        while not pool.join(timeout=min(_BEAT_S, max(0.0, ends_at - time.monotonic()))):
            self.notify()
            if time.monotonic() >= ends_at:
                log.warning("api.cut_off", num_connections=len(pool))
                pool.kill(block=False)
                return


def _log_greenlet(_context: object, kind: type[BaseException], error: BaseException, trace: TracebackType) -> None:
    """Logs the error that ended a greenlet, which gevent would print."""
    log.error("greenlet.crashed", exc_info=(kind, error, trace))


def _die_with_parent(parent: int) -> None:
    """Makes the kernel kill this process when its parent ends, so that no orphan serves on the port. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before it was asked for
        os._exit(1)
