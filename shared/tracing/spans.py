"""Begins trace spans, and exports ended spans by OTLP over HTTP if OpenTelemetry's environment variables name a
collector.

Without these variables OpenTelemetry is not imported, and every call returns at once.
"""

import os
import threading

import structlog

from shared.tracing.origin import Trace
from shared.tracing.span import Kind, Span, Spans

log = structlog.get_logger()

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_FLUSH_S = 2.0  # longest time that a process waits at its end for an unreachable collector


class _Process:
    """The tracing state of this process. `spans` is the exporter of trace spans, or None while tracing is off."""

    def __init__(self) -> None:
        self.spans: Spans | None = None


_process = _Process()


def start_tracing(role: str) -> None:
    """Starts the export of trace spans from this process, if OpenTelemetry's environment variables ask for it. Repeated
    calls do nothing.

    A process that forks must call this function after the fork, not before.
    """
    if _process.spans is not None or not _is_asked_for():
        return
    try:
        from shared.tracing.otel import OtelSpans  # noqa: PLC0415 - imported only if spans are exported
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
    """Begins and returns a trace span. Returns None while tracing is off. `link` is a related span of another trace."""
    if _process.spans is None:
        return None
    return _process.spans.begin(name, parent, link, kind, began_at_ns)


def flush_traces() -> None:
    """Exports the ended spans before the process ends. Takes at most 2 s; spans not exported by then are lost."""
    if _process.spans is None:
        return
    thread = threading.Thread(target=_process.spans.flush, name="flush-traces", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the interpreter is shutting down, or no thread can be started
        return
    thread.join(_FLUSH_S)


def _is_asked_for() -> bool:
    """Returns whether the environment asks for the export of traces, as OpenTelemetry's specification defines its
    variables.
    """
    is_off = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    is_elsewhere = os.environ.get("OTEL_TRACES_EXPORTER", "otlp").strip() not in ("", "otlp")
    return not (is_off or is_elsewhere) and any(os.environ.get(name) for name in _ENDPOINTS)
