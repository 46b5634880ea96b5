"""Defines the interfaces of a trace span and of an exporter of spans. `shared.tracing.otel` implements both."""

from collections.abc import Mapping
from typing import Literal, Protocol

from shared.tracing.origin import Trace

Kind = Literal["server", "client", "internal"]
Value = str | int | float | bool


class Span(Protocol):
    """The interface of a trace span that has begun. `trace` identifies the span, so that other spans can name it as
    their parent.
    """

    @property
    def trace(self) -> Trace: ...

    def end(self, attributes: Mapping[str, Value], *, error: str = "", ended_at_ns: int | None = None) -> None:
        """Ends the span, by default at the current time. A span that ends with an `error` counts as failed."""
        ...


class Spans(Protocol):
    """The interface of an exporter of trace spans. `shared.tracing.otel` implements it."""

    def begin(self, name: str, parent: Trace | None, link: Trace | None, kind: Kind, began_at_ns: int | None) -> Span:
        """Begins a span, by default at the current time. Without a `parent` the span begins a new trace."""
        ...

    def flush(self) -> None:
        """Exports all trace spans that have ended. Returns only when the collector has responded or the export has
        failed.
        """
        ...
