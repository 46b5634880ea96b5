"""Describes the HTTP request that caused a piece of work: its request id and its trace.

This description is the origin of the work. Records of jobs and batches carry it, so that log lines and spans of every
role can name the request.
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
    """Identifies a trace span of another process by its trace id and span id. `is_sampled` says whether the trace is
    recorded.
    """

    trace_id: str
    span_id: str
    is_sampled: bool

    @classmethod
    def parse(cls, traceparent: str | None) -> Self | None:
        """Parses a W3C `traceparent` header. Returns None for missing or invalid text."""
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
        """Returns the trace as a W3C `traceparent` header of version 00."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.is_sampled):02x}"


@dataclass(frozen=True, slots=True)
class Origin:
    """The HTTP request that caused a piece of work. `request_id` is the id of the request. `trace` identifies the trace
    span of the request, or is None if the request is not traced. `key_id` is the id of its API key, if it had one.
    """

    request_id: str
    trace: Trace | None = None
    key_id: str | None = None

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """Parses the JSON text in which a record stores its origin. Returns None for invalid text, and for empty or
        missing text, as in records of earlier versions.
        """
        if not text:
            return None
        try:
            fields = json.loads(text)
            request_id, trace = fields["request_id"], Trace.parse(fields.get("traceparent"))
            key_id = fields.get("key_id")
        except (AttributeError, LookupError, TypeError, ValueError):
            return None
        is_valid = isinstance(request_id, str) and isinstance(key_id, str | None)
        return cls(request_id, trace, key_id) if is_valid else None

    def as_text(self) -> str:
        """Returns the origin as JSON text, in the form in which records store it."""
        trace = {"traceparent": self.trace.traceparent} if self.trace else {}
        key = {"key_id": self.key_id} if self.key_id else {}
        return json.dumps({"request_id": self.request_id, **trace, **key})


def log_ids(origin: Origin | None, **ids: str | int) -> Mapping[str, str | int]:
    """Returns the ids for log lines about a piece of work: the given ids, and the request id and trace id of the
    origin, which is the HTTP request that caused the work.
    """
    if origin is None:
        return ids
    trace = {"trace_id": origin.trace.trace_id} if origin.trace else {}
    return {"request_id": origin.request_id, **trace, **ids}
