"""Serves the app with waitress until it is told to stop. What waitress itself refuses is a problem like any other."""

import socket
import time
from collections.abc import Callable
from threading import Event
from typing import Any

from flask import Flask
from waitress import create_server, wasyncore
from waitress.channel import HTTPChannel
from waitress.task import ErrorTask

from api.problems import CONTENT_TYPE, problem
from shared.errors import Misconfigured, PayloadTooLarge
from shared.settings import Settings

_TICK_S = 0.5
_NUM_CONNECTIONS = 1_000  # most of them idle; waitress' own 100 would let a few browsers shut everybody else out


class _ProblemTask(ErrorTask):
    """Answers what never reached the app: broken HTTP, headers or a body over the limit."""

    def execute(self) -> None:
        error = self.request.error
        is_too_large = error.code == PayloadTooLarge.http_status
        code = PayloadTooLarge.code if is_too_large else error.reason.lower().replace(" ", "_")
        detail = "the body is larger than the limit" if is_too_large else str(error.body)
        body = problem(error.code, code, detail, getattr(self.request, "path", "/")).model_dump_json().encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", CONTENT_TYPE))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):
    error_task_class = _ProblemTask


def serve(app: Flask, settings: Settings, stopping: Event, on_listening: Callable[[int], None]) -> None:
    """Calls back with the port once it listens; returns after `stopping` is set and every request is answered.

    Raises `Misconfigured` when the port is taken. Requests get `drain_grace_s` to finish.
    """
    sockets: dict[int, Any] = {}
    listener = _bind(settings.host, settings.port)
    server = create_server(
        app,
        map=sockets,
        sockets=[listener],
        threads=settings.api_threads,
        connection_limit=_NUM_CONNECTIONS,
        asyncore_use_poll=True,  # select() ends at 1,024 descriptors
        # Waitress counts the framing of chunks, too. Up to here it reads on, and the app refuses in its own words.
        max_request_body_size=2 * settings.max_body_bytes,
        channel_request_lookahead=1,  # keeps reading, so a client that leaves its event stream is noticed
        log_socket_errors=False,
        ident="gridpress",
    )
    server.channel_class = _Channel
    on_listening(listener.getsockname()[1])
    while not stopping.is_set():
        wasyncore.loop(timeout=_TICK_S, use_poll=True, map=sockets, count=1)
    _drain(server, sockets, settings.drain_grace_s)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise Misconfigured(f"can't listen on {host} port {port} ({error.strerror}): set GRIDPRESS_PORT") from error


def _drain(server: Any, sockets: dict[int, Any], grace_s: float) -> None:
    wasyncore.dispatcher.close(server)  # the listening socket alone: threads still need the trigger to be heard
    end = time.monotonic() + grace_s
    while _is_busy(server) and time.monotonic() < end:
        wasyncore.loop(timeout=_TICK_S, use_poll=True, map=sockets, count=1)
    server.task_dispatcher.shutdown(timeout=1)
    wasyncore.close_all(sockets)


def _is_busy(server: Any) -> bool:
    channels = list(server.active_channels.values())
    return any(channel.requests or channel.total_outbufs_len for channel in channels)
