"""Runs the API's processes on one port. gunicorn's arbiter starts the processes and replaces those that end."""

import itertools
import logging
import math
import mmap
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import structlog
from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from api.connections.connection import ConnectionLimits
from api.edge import access_log, request_metrics
from api.server.metrics_page import listen_for_all, serve_in_this_process
from shared.errors import GridpressError, Misconfigured
from shared.metrics import processes as several
from shared.settings.settings import Settings
from shared.tracing.spans import flush_traces

log = structlog.get_logger()

_BACKLOG = 1_024  # so that a thousand clients can reconnect at the same moment
_OTHER_FILES = 512  # open files other than client connections: connections to both stores, files, pipes
_MOST_PROCESSES = 8  # default maximum; with more processes the store is the bottleneck
_SILENCE_S = 30  # gunicorn kills a process that sends no heartbeat for so long
_GRACE_MARGIN_S = 2  # time for a drained process to exit
_RETRY_S = 1.0
_MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - heartbeats must not wait for a disk


class Shared(Protocol):
    """The interface of quotas that all API processes count together in shared memory.

    Every process has a number, counted from 0. A process that replaces an ended one gets the same number.
    """

    def join(self, number: int) -> None: ...

    def clear(self, number: int) -> None: ...


class Process(Protocol):
    """The services of one API process, as far as the server needs them. The server calls `stop` when the process
    drains.
    """

    def stop(self) -> None: ...


Compose = Callable[[], tuple[Flask, Process]]


class EventLog(Logger):
    """The logger that gunicorn uses. It logs every request, and gunicorn's errors and warnings, as structured events.

    It drops gunicorn's other messages.
    """

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.addHandler(_Events())
        self.error_log.setLevel(logging.WARNING)

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        access_log.log_response(resp, environ, request_time)


class _Events(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        log.log(record.levelno, "api.server", message=record.getMessage(), exc_info=record.exc_info)


class Application(BaseApplication):
    """The gunicorn application.

    It configures gunicorn, and loads the Flask app with its own services in each process.
    """

    def __init__(
        self,
        compose: Compose,
        settings: Settings,
        shared: Shared,
        listener: socket.socket,
        on_serving: Callable[[], None],
    ) -> None:
        self._compose = compose
        self._settings = settings
        self._shared = shared
        self._announce = on_serving
        self._process: Process | None = None
        self._is_announced = mmap.mmap(-1, 1)  # shared by all processes
        self._bound = listener.detach()
        self._metrics = listen_for_all(settings, num_processes(settings))
        largest = max(settings.max_body_bytes, settings.max_file_bytes, settings.max_batch_file_bytes)
        self.connection_limits = ConnectionLimits(settings.idle_timeout_s, settings.receive_timeout_s, largest)
        self.drain_grace_s = settings.drain_grace_s
        super().__init__()

    def load_config(self) -> None:
        num = num_processes(self._settings)
        for name, value in {
            "bind": f"fd://{self._bound}",
            "workers": num,
            "worker_class": "api.server.worker.Worker",
            "worker_connections": math.ceil(self._settings.api_connections / num),
            "worker_tmp_dir": str(_MEMORY_FOLDER) if os.access(_MEMORY_FOLDER, os.W_OK) else None,
            "timeout": _SILENCE_S,
            "graceful_timeout": math.ceil(self.drain_grace_s) + _GRACE_MARGIN_S,
            "keepalive": 1,  # turns keep-alive on; `ConnectionLimits.idle_s` sets its duration
            "limit_request_line": 8190,
            "limit_request_fields": 100,
            "limit_request_field_size": 8190,
            "http_parser": "python",
            "forwarded_allow_ips": "",
            "secure_scheme_headers": {},
            "control_socket_disable": True,
            "sendfile": False,
            "logger_class": EventLog,
            "pre_request": request_metrics.begin,
            "post_request": request_metrics.end,
            "pre_fork": self._number,
            "child_exit": self._on_exit_of,
            "worker_exit": _flush,
        }.items():
            self.cfg.set(name, value)

    def load_in(self, worker: Any) -> Flask | None:
        """Creates and returns the Flask app in a new process. Retries every second until that succeeds.

        Returns None if the process must end before that.
        """
        self._shared.join(worker.number)
        several.take(worker.number)
        if self._metrics is not None:
            serve_in_this_process(self._metrics)
        while True:
            try:
                app, self._process = self._compose()
            except GridpressError as error:
                log.warning("api.process_waits", pid=os.getpid(), code=error.code, error=str(error))
            except Exception:  # gunicorn ends all processes when one can't start, so no error may leave this loop
                log.exception("api.process_waits", pid=os.getpid())
            else:
                return app
            if not worker.pause(_RETRY_S):
                return None

    def on_serving(self, worker: Any) -> None:
        log.info("api.process_started", pid=os.getpid(), number=worker.age)
        if not self._is_announced[0]:
            self._is_announced[0] = 1
            self._announce()

    def stop(self) -> None:
        if self._process:
            self._process.stop()

    @staticmethod
    def _number(arbiter: Arbiter, worker: Any) -> None:
        """Gives a process that is about to start the lowest number that no running process has.

        The number selects the process's counts in shared memory, and its metrics files.
        """
        taken = {other.number for other in arbiter.WORKERS.values()}
        worker.number = next(number for number in itertools.count() if number not in taken)
        several.prepare(worker.number)

    def _on_exit_of(self, _arbiter: Arbiter, worker: Any) -> None:
        self._shared.clear(worker.number)
        several.leave(worker.number)
        log.info("api.process_ended", pid=worker.pid, number=worker.age)


class _Arbiter(Arbiter):
    """A gunicorn arbiter. On the first SIGTERM or SIGINT it lets running requests finish; on the second it ends at
    once.

    It ignores gunicorn's other signals.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT)
    _is_asked = False

    def signal(self, sig: int, frame: FrameType | None) -> None:
        super().signal(signal.SIGQUIT if self._is_asked else signal.SIGTERM, frame)
        self._is_asked = True

    def spawn_worker(self) -> None:
        """Starts an API process. If that fails with an `OSError`, logs it, and the arbiter tries again later."""
        try:
            super().spawn_worker()
        except OSError as error:
            log.error("api.process_not_started", error=str(error))  # noqa: TRY400 - the error says everything


def serve(compose: Compose, settings: Settings, shared: Shared, on_listening: Callable[[int], None]) -> None:
    """Serves the app in several processes. Returns after SIGTERM or SIGINT, when the running requests have finished.

    Running requests get `drain_grace_s` to finish. Calls `on_listening` with the port once the first process serves.
    Raises `Misconfigured` when the port is taken, or when the system allows fewer open files than `api_connections`
    needs.
    """
    _allow_open_files(math.ceil(settings.api_connections / num_processes(settings)) + _OTHER_FILES)
    listener = _bind(settings.host, settings.port)
    port = listener.getsockname()[1]
    arbiter = _Arbiter(Application(compose, settings, shared, listener, lambda: on_listening(port)))
    try:
        arbiter.run()
    except SystemExit as end:
        if end.code:
            raise


def num_processes(settings: Settings) -> int:
    """Returns the number of API processes: the setting `api_processes`, or one for each usable CPU core, at most 8."""
    num_cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return settings.api_processes or min(num_cores, _MOST_PROCESSES)


def _flush(_arbiter: Arbiter, _worker: Any) -> None:
    """Sends the trace spans that an ending process has not sent yet. gunicorn calls this in the ending process."""
    flush_traces()


def _allow_open_files(most: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < most:
        if hard != resource.RLIM_INFINITY and hard < most:
            raise Misconfigured(f"GRIDPRESS_API_CONNECTIONS needs {most} open files, but the system allows {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise Misconfigured(f"can't listen on {host} port {port} ({error.strerror}): set GRIDPRESS_PORT") from error
