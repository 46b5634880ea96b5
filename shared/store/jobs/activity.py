"""Reads the events of all jobs of a tenant. Scripts keep them only while somebody follows the tenant (activity.lua)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from shared.ids import JobId, TenantId
from shared.store.core.connect import Client, translated

_PREFIX = "gridpress:"
_FOLLOWED_S = 600  # a follower that was cut off may resume for so long without a gap
_KEPT = 2000  # as in activity.lua
_MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class TenantEvent:
    """One event of a job of the tenant. `events(after=event_id)` returns the events that follow this one."""

    event_id: str
    job_id: JobId
    type: str
    data: Mapping[str, object]


class ActivityStore:
    """Reads the events of a tenant. Every method raises `StoreUnavailable` when the store does not answer."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def follow(self, tenant: TenantId) -> str:
        """Makes scripts keep the tenant's events for ten minutes from now, and returns an event id.

        Events are complete after this id: they have been kept without a break since then. Followers call this again
        every few minutes at most.
        """
        key = f"{_PREFIX}followed:{tenant}"
        with translated():
            seconds, micros = self._client.time()
            self._client.set(key, f"{seconds}{micros // 1000:03d}", nx=True, ex=_FOLLOWED_S)
            self._client.expire(key, _FOLLOWED_S)
            since = cast("str | None", self._client.get(key))
        return f"{since or seconds * 1000}-0"

    def newest(self, tenant: TenantId) -> str:
        """Returns the id of the newest event that is kept, or `0-0` if there is none."""
        with translated():
            found = cast("list[tuple[str, object]]", self._client.xrevrange(self._key(tenant), count=1))
        return found[0][0] if found else "0-0"

    def events(self, tenant: TenantId, *, after: str) -> Sequence[TenantEvent]:
        """Returns up to 500 events of the tenant's jobs after the event id `after`, oldest first."""
        with translated():
            answer = self._client.xread({self._key(tenant): after}, count=_MOST_AT_ONCE)
        streams = cast("list[tuple[str, list[tuple[str, dict[str, str]]]]]", answer or [])
        return [
            TenantEvent(event_id, JobId(fields["job"]), fields["type"], json.loads(fields["data"]))
            for event_id, fields in (streams[0][1] if streams else [])
        ]

    def has_gap(self, tenant: TenantId, after: str, complete_since: str) -> bool:
        """Returns whether events after the id `after` may be missing: they were not kept then, or are trimmed by now.

        `complete_since` is what `follow` returned.
        """
        if position(after) < position(complete_since):
            return True
        with translated():
            pipeline = self._client.pipeline(transaction=True)
            pipeline.xlen(self._key(tenant))
            pipeline.xrange(self._key(tenant), count=1)
            num, first = pipeline.execute()
        return num >= _KEPT and position(first[0][0]) > position(after)

    @staticmethod
    def _key(tenant: TenantId) -> str:
        return f"{_PREFIX}activity:{tenant}"


def position(event_id: str) -> tuple[int, int]:
    """Returns the two numbers of an event id, by which events are ordered: milliseconds, and a count within them."""
    milliseconds, _, count = event_id.partition("-")
    return int(milliseconds), int(count or 0)
