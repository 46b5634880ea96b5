"""Configures logging: one JSON object per event on stderr. Libraries log from WARNING on."""

import logging
import sys
from collections import deque
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog

_MAX_LINES, _MAX_LINE_CHARS = 20, 300  # evidence of a crash travels with every heartbeat, so it is short

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


class _Tail(logging.Handler):
    """Collects libraries' log lines for `last_lines`."""

    def emit(self, record: logging.LogRecord) -> None:
        _tail.append(self.format(record)[:_MAX_LINE_CHARS])


def configure_logs() -> None:
    """Configures logging. Each composition root calls it once, before anything is logged."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger().addHandler(_Tail())
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
            _keep,
        ],
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _Stderr())),
    )


def last_lines() -> Sequence[str]:
    """Returns the last log lines of this process, each cut.

    Heartbeats store them as evidence in case the process dies.
    """
    return tuple(_tail)


def _keep(_logger: object, _method: str, line: str | MutableMapping[str, Any]) -> Any:
    _tail.append(str(line)[:_MAX_LINE_CHARS])
    return line
