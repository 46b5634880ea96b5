"""The span of a request, from its head to the end of its response. Only where tracing is on; never of health probes."""

from typing import Any

from flask import Request

from shared.tracing.origin import Trace
from shared.tracing.spans import Span, Value, begin_span

_SPAN = "gridpress.span"
_PROBES = frozenset(("/healthz", "/readyz"))
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


def begin(request: Request, parent: Trace | None) -> Trace | None:
    """Begins the span of the request and returns its place in the trace; None while tracing is off."""
    if request.path in _PROBES:
        return None
    route = request.url_rule.rule if request.url_rule else ""
    span = begin_span(f"{_method_of(request.environ)} {route}".rstrip(), parent=parent, kind="server")
    if span is None:
        return None
    request.environ[_SPAN] = span
    return span.trace


def end(environ: dict[str, Any], route: str | None, status: int, ids: dict[str, Any]) -> None:
    """Ends the span. `ids` are the fields that the request's log lines share."""
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
    return method if method in _METHODS else "_OTHER"  # as OpenTelemetry names invented ones
