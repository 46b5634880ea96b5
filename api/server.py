"""Serves the app by gevent until it is told to stop. A connection costs a greenlet, so a thousand may wait."""

import resource
import socket
from collections.abc import Callable
from threading import Event

from flask import Flask
from gevent import monkey
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer

from api.handler import Handler
from api.receiving import Pace, Receiver
from shared.errors import Misconfigured
from shared.settings import Settings

_BACKLOG = 1_024  # a thousand clients may come back at the same moment
_OTHER_FILES = 512  # connections to both stores, files, pipes


class _Server(WSGIServer):
    handler_class = Handler

    def __init__(self, listener: socket.socket, app: Flask, pace: Pace, most: int) -> None:
        super().__init__(listener, app, spawn=Pool(most), log=None, error_log=None)
        self.pace = pace
        self.idle: set[Receiver] = set()
        self.is_draining = False

    def drain(self, grace_s: float) -> None:
        """Takes no more, lets go of whoever asks nothing, and gives the others so long."""
        self.is_draining = True
        self.close()
        for receiver in tuple(self.idle):
            receiver.hang_up()
        self.stop(grace_s)


def serve(app: Flask, settings: Settings, stopping: Event, on_listening: Callable[[int], None]) -> None:
    """Calls back with the port once it listens; returns after `stopping` is set and every request is answered.

    Raises `Misconfigured` when the port is taken, and when the system doesn't grant as many open files as
    `api_connections` may need. Requests get `drain_grace_s` to finish.
    """
    assert monkey.is_module_patched("socket"), "greenlets would wait for each other"
    _allow_open_files(settings.api_connections + _OTHER_FILES)
    pace = Pace(settings.idle_timeout_s, settings.receive_timeout_s, settings.max_body_bytes)
    listener = _bind(settings.host, settings.port)
    server = _Server(listener, app, pace, settings.api_connections)
    server.start()
    on_listening(listener.getsockname()[1])
    stopping.wait()
    server.drain(settings.drain_grace_s)


def _allow_open_files(most: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < most:
        if hard != resource.RLIM_INFINITY and hard < most:
            raise Misconfigured(f"GRIDPRESS_API_CONNECTIONS needs {most} open files, and the system grants {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise Misconfigured(f"can't listen on {host} port {port} ({error.strerror}): set GRIDPRESS_PORT") from error
