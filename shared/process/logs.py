"""Configures logging: one event per line on stderr, as JSON or as readable text.

Log records of libraries are written in the same format, from level WARNING on.
"""

import json
import logging
import re
import sys
import threading
from collections import deque
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import suppress
from io import StringIO
from types import TracebackType
from typing import Any, Literal, TextIO, cast

import structlog

Format = Literal["auto", "json", "text"]
Event = MutableMapping[str, Any]
Processor = Callable[[Any, str, Any], Any]

_FIRST = ("timestamp", "level", "role", "event")
_MAX_LINES, _MAX_LINE_CHARS = 20, 300  # short, because every heartbeat carries these lines as crash evidence
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}  # a terminal would interpret these
_IN_LINES = {code: text for code, text in _CONTROLS.items() if chr(code) not in "\t\n"}
_IN_JSON = {code: f"\\u{code:04x}" for code in range(127, 160)}  # control characters that json.dumps does not escape
# Parts of URLs in log records of HTTP libraries: a login, and a query, which may contain a token or a signature.
_LOGIN = re.compile(r"(?<=://)[^\s/@]+@")
_QUERY = re.compile(r"((?:https?://|\burl: /)[^\s?]*)\?[^\s'\")]*")

log = structlog.get_logger()

_tail: deque[str] = deque(maxlen=_MAX_LINES)


class _Stderr:
    """A file that writes to stderr and never raises, so that a full disk or closed pipe ends no process.

    The number of lost lines is reported with the next line that can be written.
    """

    def __init__(self) -> None:
        self._num_failed = 0

    def write(self, text: str) -> None:
        try:
            if self._num_failed:
                sys.stderr.write(f'{{"event": "log.interrupted", "num_lines": {self._num_failed}}}\n')
            sys.stderr.write(text)
        except OSError:
            self._num_failed += 1
        else:
            self._num_failed = 0

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


def configure_logs(role: str, log_format: Format = "auto") -> None:
    """Configures logging for this process. Each process calls this function once at its start, before anything is
    logged.

    Every log line names the role. The format `auto` is text if stderr is a terminal, otherwise JSON.
    """

    def name_role(_logger: object, _method: str, event: Event) -> Event:
        event["role"] = role
        return event

    stderr = cast("TextIO", _Stderr())
    is_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    begin = (
        name_role,
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    )
    end = (*(as_text(has_colours=sys.stderr.isatty()) if is_text else _AS_JSON), _keep)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[*begin, *end],
        logger_factory=structlog.WriteLoggerFactory(file=stderr),
        cache_logger_on_first_use=True,
    )
    _log_libraries(stderr, begin, end)
    sys.excepthook = _log_end
    threading.excepthook = _log_end_of_thread


def last_lines() -> Sequence[str]:
    """Returns the last log lines of this process, each cut to a maximum length.

    Heartbeats send these lines to the store. If the process dies, they are crash evidence.
    """
    return tuple(_tail)


def _log_libraries(stderr: TextIO, begin: Sequence[Processor], end: Sequence[Processor]) -> None:
    """Writes the log records of libraries, and Python's warnings, in the format of Gridpress's own log events."""
    strip = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=(*begin, _of_library), processors=(strip, *end), logger=None
    )
    handler = logging.StreamHandler(stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


def _of_library(_logger: object, _method: str, event: Event) -> Event:
    """Turns a library's log record into an event with a `message`. If the message contains URLs, their logins and
    queries are masked.
    """
    message = _LOGIN.sub("***@", event["event"])
    event["message"], event["event"] = _QUERY.sub(r"\1?***", message), "library.said"
    event["logger"] = event["_record"].name
    return event


def _to_json(_logger: object, _method: str, event: Event) -> str:
    first = {name: event.pop(name) for name in _FIRST}
    return as_json({**first, **event})


def as_json(event: Event) -> str:
    """Returns the event as a line of JSON without control characters that a terminal would interpret."""
    return json.dumps(event, ensure_ascii=False, default=repr).translate(_IN_JSON)


_AS_JSON: Sequence[Processor] = (structlog.processors.format_exc_info, _to_json)


def as_text(*, has_colours: bool) -> Sequence[Processor]:
    """Returns the structlog processors that format a log event as a line of text for people."""
    console = structlog.dev.ConsoleRenderer(
        colors=has_colours, pad_event_to=20, sort_keys=False, exception_formatter=_write_traceback
    )
    return (_escape, console)


def _write_traceback(out: TextIO, error: Any) -> None:
    """Writes a traceback. Control characters are escaped, because an exception's message may contain what a caller
    sent.
    """
    text = StringIO()
    structlog.dev.plain_traceback(text, error)
    out.write(text.getvalue().translate(_IN_LINES))


def _escape(_logger: object, _method: str, event: Event) -> Event:
    """Escapes the control characters in an event, because a terminal would interpret them."""
    return {
        name.translate(_CONTROLS): value.translate(_CONTROLS) if isinstance(value, str) else value
        for name, value in event.items()
    }


def _keep(_logger: object, _method: str, line: str | Event) -> Any:
    _tail.append(_COLOURS.sub("", str(line)[: 2 * _MAX_LINE_CHARS])[:_MAX_LINE_CHARS])
    return line


def _log_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Logs the uncaught exception that ends the process."""
    log.critical("process.crashed", exc_info=(kind, error, trace))


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_type is not SystemExit and ended.exc_value:
        log.critical("thread.crashed", exc_info=(ended.exc_type, ended.exc_value, ended.exc_traceback))
