"""Spans, exported by OTLP over HTTP where OpenTelemetry's own variables name a receiver.

Without them nothing is imported and every call returns at once.
"""

import os
import threading
from collections.abc import Mapping
from typing import Literal, Protocol

import structlog

from shared.tracing.origin import Trace

log = structlog.get_logger()

Kind = Literal["server", "client", "internal"]
Value = str | int | float | bool

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_FLUSH_S = 2.0  # a process that ends waits no longer for a receiver that does not answer


class Span(Protocol):
    """A span that has begun. `trace` is what others name as their parent."""

    @property
    def trace(self) -> Trace: ...

    def end(self, attributes: Mapping[str, Value], *, error: str = "", ended_at_ns: int | None = None) -> None:
        """Ends the span, now by default. With an `error` it has failed."""
        ...


class Spans(Protocol):
    """Makes spans and exports them: `shared.tracing.otel`."""

    def begin(self, name: str, parent: Trace | None, link: Trace | None, kind: Kind, began_at_ns: int | None) -> Span:
        """Begins a span, now by default, in the trace of its `parent`; else in a trace of its own."""
        ...

    def flush(self) -> None:
        """Exports what has ended. May take as long as the receiver does."""
        ...


class _Process:
    """State of this process: where spans go; None while tracing is off."""

    def __init__(self) -> None:
        self.spans: Spans | None = None


_process = _Process()


def start_tracing(role: str) -> None:
    """Starts the exporter of this process, once, if the environment asks for it. Must be called after a fork, not
    before.
    """
    if _process.spans is not None or not _is_asked_for():
        return
    try:
        from shared.tracing.otel import OtelSpans  # noqa: PLC0415 - a process that exports nothing does not pay for it
    except ModuleNotFoundError as error:
        log.warning("tracing.not_installed", error=str(error), remedy="pip install 'gridpress[otel]'")
        return
    _process.spans = OtelSpans(role)
    log.info("tracing.started")


def begin_span(
    name: str,
    *,
    parent: Trace | None = None,
    link: Trace | None = None,
    kind: Kind = "internal",
    began_at_ns: int | None = None,
) -> Span | None:
    """Begins a span; returns None while tracing is off."""
    if _process.spans is None:
        return None
    return _process.spans.begin(name, parent, link, kind, began_at_ns)


def flush_traces() -> None:
    """Exports what has ended, before the process ends. Returns after a short time whether or not it succeeded."""
    if _process.spans is None:
        return
    thread = threading.Thread(target=_process.spans.flush, name="flush-traces", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the interpreter ends, or the machine has no thread
        return
    thread.join(_FLUSH_S)


def _is_asked_for() -> bool:
    """Follows OpenTelemetry's specification of its environment variables."""
    is_off = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    is_elsewhere = os.environ.get("OTEL_TRACES_EXPORTER", "otlp").strip() not in ("", "otlp")
    return not (is_off or is_elsewhere) and any(os.environ.get(name) for name in _ENDPOINTS)
