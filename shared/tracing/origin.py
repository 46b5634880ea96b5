"""The HTTP request that caused a piece of work: its id and its trace. Records of jobs and batches carry it, so that the
log lines and spans of every role name it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

# W3C Trace Context, level 1: version, trace id, parent id, flags. Later versions may append fields.
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MOST_CHARS = 256
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class Trace:
    """A span of another process. `is_sampled`: its trace is recorded."""

    trace_id: str
    span_id: str
    is_sampled: bool

    @classmethod
    def parse(cls, traceparent: str | None) -> Self | None:
        """Returns None for a text that is no valid `traceparent`."""
        found = _TRACEPARENT.fullmatch(traceparent[:_MOST_CHARS]) if traceparent else None
        if found is None:
            return None
        version, trace_id, span_id, flags, more = found.groups()
        is_other = version == "ff" or (version == "00" and more)
        if is_other or not trace_id.strip("0") or not span_id.strip("0"):
            return None
        return cls(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{int(self.is_sampled):02x}"


@dataclass(frozen=True, slots=True)
class Origin:
    """The id of the request, and its span; `trace` is None where the request is not traced."""

    request_id: str
    trace: Trace | None = None

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """Inverse of `as_text`. Returns None for '' or None, as of records of earlier versions, and for broken text."""
        if not text:
            return None
        try:
            fields = json.loads(text)
            request_id, trace = fields["request_id"], Trace.parse(fields.get("traceparent"))
        except (AttributeError, LookupError, TypeError, ValueError):
            return None
        return cls(request_id, trace) if isinstance(request_id, str) else None

    def as_text(self) -> str:
        """Returns the origin as a record's field holds it."""
        fields = {"request_id": self.request_id}
        return json.dumps(fields | {"traceparent": self.trace.traceparent} if self.trace else fields)


def log_ids(origin: Origin | None, **ids: str | int) -> Mapping[str, str | int]:
    """Returns the fields by which log lines about this work are found."""
    if origin is None:
        return ids
    trace = {"trace_id": origin.trace.trace_id} if origin.trace else {}
    return {"request_id": origin.request_id, **trace, **ids}
