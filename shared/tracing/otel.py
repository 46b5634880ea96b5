"""Creates and exports trace spans with the OpenTelemetry SDK. `shared.tracing.spans` imports this module only if spans
are exported.
"""

import os
from collections.abc import Mapping
from importlib.metadata import version

from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from shared.tracing.origin import Trace
from shared.tracing.span import Kind, Span, Value

_KINDS: Mapping[Kind, SpanKind] = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "internal": SpanKind.INTERNAL,
}


class OtelSpan:
    """Implements the interface `shared.tracing.span.Span` with a span of the OpenTelemetry SDK."""

    def __init__(self, span: otel.Span) -> None:
        self._span = span

    @property
    def trace(self) -> Trace:
        context = self._span.get_span_context()
        return Trace(f"{context.trace_id:032x}", f"{context.span_id:016x}", context.trace_flags.sampled)

    def end(self, attributes: Mapping[str, Value], *, error: str = "", ended_at_ns: int | None = None) -> None:
        self._span.set_attributes(attributes)
        if error:
            self._span.set_status(Status(StatusCode.ERROR, error))
        self._span.end(ended_at_ns)


class OtelSpans:
    """Exports trace spans in a thread of the OpenTelemetry SDK, from a queue of limited length. If the collector is
    unreachable, spans are lost but nothing is delayed.
    """

    def __init__(self, role: str) -> None:
        """Starts the exporter. The service name is `gridpress-` and the role, unless OTEL_SERVICE_NAME is set."""
        name = os.environ.get("OTEL_SERVICE_NAME") or f"gridpress-{role}"
        resource = Resource.create({"service.name": name, "service.version": version("gridpress")})
        # At exit the SDK would wait as long as the collector takes. `flush_traces` waits for a short time only.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("gridpress")

    def begin(self, name: str, parent: Trace | None, link: Trace | None, kind: Kind, began_at_ns: int | None) -> Span:
        context = otel.set_span_in_context(NonRecordingSpan(_context_of(parent)), Context()) if parent else Context()
        links = [Link(_context_of(link))] if link else []
        return OtelSpan(self._tracer.start_span(name, context, _KINDS[kind], links=links, start_time=began_at_ns))

    def flush(self) -> None:
        self._provider.force_flush()


def _context_of(remote: Trace) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if remote.is_sampled else TraceFlags.DEFAULT)
    return SpanContext(int(remote.trace_id, 16), int(remote.span_id, 16), is_remote=True, trace_flags=flags)
