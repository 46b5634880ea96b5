"""Configures logging: one event a line on stderr, as JSON, or as text where a person watches.

Libraries log from WARNING on, in the same format.
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
_MAX_LINES, _MAX_LINE_CHARS = 20, 300  # evidence of a crash travels with every heartbeat, so it is short
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}  # a terminal obeys them
_IN_LINES = {code: text for code, text in _CONTROLS.items() if chr(code) not in "\t\n"}
_IN_JSON = {code: f"\\u{code:04x}" for code in range(127, 160)}  # the control characters that JSON leaves as they are
# Addresses in messages of HTTP clients: a login, and a query, which may hold a token or a signature.
_LOGIN = re.compile(r"(?<=://)[^\s/@]+@")
_QUERY = re.compile(r"((?:https?://|\burl: /)[^\s?]*)\?[^\s'\")]*")

log = structlog.get_logger()

_tail: deque[str] = deque(maxlen=_MAX_LINES)


class _Stderr:
    """Writes to stderr and never raises, so that a full disk or closed pipe ends no process. Lost lines are reported
    later.
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
    """Configures logging. Each composition root calls it once, before anything is logged. Every line names the `role`.

    `auto` is text where stderr is a terminal, else JSON.
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
    """Returns the last log lines of this process, each cut.

    Heartbeats store them as evidence in case the process dies.
    """
    return tuple(_tail)


def _log_libraries(stderr: TextIO, begin: Sequence[Processor], end: Sequence[Processor]) -> None:
    """Gives the lines of libraries the same format, and Python's warnings, too."""
    strip = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=(*begin, _of_library), processors=(strip, *end), logger=None
    )
    handler = logging.StreamHandler(stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


def _of_library(_logger: object, _method: str, event: Event) -> Event:
    """Makes an event of a sentence, without the secrets of addresses in it."""
    message = _LOGIN.sub("***@", event["event"])
    event["message"], event["event"] = _QUERY.sub(r"\1?***", message), "library.said"
    event["logger"] = event["_record"].name
    return event


def _to_json(_logger: object, _method: str, event: Event) -> str:
    first = {name: event.pop(name) for name in _FIRST}
    return as_json({**first, **event})


def as_json(event: Event) -> str:
    """Returns a line that a terminal, too, may be given."""
    return json.dumps(event, ensure_ascii=False, default=repr).translate(_IN_JSON)


_AS_JSON: Sequence[Processor] = (structlog.processors.format_exc_info, _to_json)


def as_text(*, has_colours: bool) -> Sequence[Processor]:
    """Returns what makes a readable line of an event."""
    console = structlog.dev.ConsoleRenderer(
        colors=has_colours, pad_event_to=20, sort_keys=False, exception_formatter=_write_traceback
    )
    return (_escape, console)


def _write_traceback(out: TextIO, error: Any) -> None:
    """Writes several lines. What an error says may come from a stranger."""
    text = StringIO()
    structlog.dev.plain_traceback(text, error)
    out.write(text.getvalue().translate(_IN_LINES))


def _escape(_logger: object, _method: str, event: Event) -> Event:
    """Escapes control characters, which a terminal would obey."""
    return {
        name.translate(_CONTROLS): value.translate(_CONTROLS) if isinstance(value, str) else value
        for name, value in event.items()
    }


def _keep(_logger: object, _method: str, line: str | Event) -> Any:
    _tail.append(_COLOURS.sub("", str(line)[: 2 * _MAX_LINE_CHARS])[:_MAX_LINE_CHARS])
    return line


def _log_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Logs the error that ends the process."""
    log.critical("process.crashed", exc_info=(kind, error, trace))


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_type is not SystemExit and ended.exc_value:
        log.critical("thread.crashed", exc_info=(ended.exc_type, ended.exc_value, ended.exc_traceback))
