"""Creates the trace span of each request, which lasts until the response has been sent. Health probes have no span."""

from typing import Any

from flask import Request

from shared.tracing.origin import Trace
from shared.tracing.span import Span, Value
from shared.tracing.spans import begin_span

_SPAN = "gridpress.span"
_PROBES = frozenset(("/healthz", "/readyz"))
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


def begin(request: Request, parent: Trace | None) -> Trace | None:
    """Begins the trace span of a request, and returns the ids under which other spans refer to this one.

    Returns None for health probes, and when tracing is off.
    """
    if request.path in _PROBES:
        return None
    route = request.url_rule.rule if request.url_rule else ""
    span = begin_span(f"{_method_of(request.environ)} {route}".rstrip(), parent=parent, kind="server")
    if span is None:
        return None
    request.environ[_SPAN] = span
    return span.trace


def end(environ: dict[str, Any], route: str | None, status: int, ids: dict[str, Any]) -> None:
    """Ends the trace span of a request, if it has one. `ids` has the fields that all log lines of the request have."""
    span: Span | None = environ.get(_SPAN)
    if span is None:
        return
    attributes: dict[str, Value] = {
        "http.request.method": _method_of(environ),
        "http.response.status_code": status,
        **{f"gridpress.{name}": value for name, value in ids.items() if name != "trace_id"},
    }
    if route:
        attributes["http.route"] = route
    span.end(attributes, error=str(status) if status >= 500 else "")


def _method_of(environ: dict[str, Any]) -> str:
    method = str(environ["REQUEST_METHOD"])
    return method if method in _METHODS else "_OTHER"  # OpenTelemetry's name for unknown methods
