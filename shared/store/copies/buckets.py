"""Stores the bucket of each tenant that has one. Secret keys are stored encrypted only."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from shared.errors import InvalidRequest, TenantBeingErased
from shared.ids import TenantId
from shared.objects.tenant_bucket import TenantBucket, server_of
from shared.store.core.connect import Client, translated
from shared.store.core.scripts import Scripts

_KEY = "gridpress:buckets"
_FIELDS = ("bucket", "prefix", "endpoint_url", "region", "access_key", "sealed_secret", "role_arn", "external_id")
_ERASING = -1
_MOST_MEASURED = 1000


@dataclass(frozen=True, slots=True)
class BucketHealth:
    """The state of the copies into a tenant's bucket. `num_waiting` counts jobs and batches to copy, and `num_deleting`
    those whose copies are to be deleted. `error` and `failing_since` are of copies, or else of deletions, and None
    unless the last try failed. `slow_s` is the mean time of a request, if the bucket is slow.
    """

    num_waiting: int
    num_deleting: int = 0
    error: str | None = None
    failing_since: datetime | None = None
    slow_s: float | None = None


class BucketStore:
    """Stores the buckets of tenants. Every method raises `StoreUnavailable` when the store does not answer."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def find(self, tenant: TenantId) -> TenantBucket | None:
        """Returns the bucket of a tenant; None if it has none."""
        with translated():
            text = cast("str | None", self._client.hget(_KEY, tenant))
        return bucket_of(tenant, text) if text else None

    def save(self, place: TenantBucket) -> None:
        """Stores the bucket of a tenant in place of an earlier one. Copies that wait go into the new bucket at once.

        Raises `InvalidRequest` if another tenant has the same bucket with an overlapping prefix, and
        `TenantBeingErased`.
        """
        updated_ms = None if place.updated_at is None else int(place.updated_at.timestamp() * 1000)
        fields = {name: getattr(place, name) for name in _FIELDS}
        text = json.dumps({**fields, "address": place.address, "server": place.server, "updated_ms": updated_ms})
        saved = self._scripts.run("set_bucket", place.tenant, text, json.dumps(self._servers_not_stored()))
        if saved == _ERASING:
            raise TenantBeingErased
        if not saved:
            raise InvalidRequest("prefix: it overlaps the prefix of another tenant in this bucket", "prefix")

    def _servers_not_stored(self) -> Mapping[str, str]:
        """Returns the servers of the buckets that an earlier release has stored without one, by their addresses."""
        with translated():
            found = [json.loads(text) for text in cast("list[str]", self._client.hvals(_KEY))]
        return {each["address"]: server_of(each["address"]) for each in found if "server" not in each}

    def remove(self, tenant: TenantId) -> bool:
        """Removes the bucket of a tenant. Copies that wait fail. Returns whether there was a bucket."""
        with translated():
            return bool(self._client.hdel(_KEY, tenant))

    def health(self, tenant: TenantId) -> BucketHealth:
        """Returns the state of the copies into a tenant's bucket."""
        with translated():
            pipeline = self._client.pipeline(transaction=False)
            pipeline.zcard(f"gridpress:copies:{tenant}")
            pipeline.zcard(f"gridpress:copy_deletions:{tenant}")
            pipeline.hgetall(f"gridpress:copy_state:{tenant}")
            num_waiting, num_deleting, state = pipeline.execute()
        error, since, slow_ms = state.get("error"), state.get("failing_since_ms"), state.get("slow_ms")
        if not since and (since := state.get("delete_failing_since_ms")):
            error = f"copies are not deleted: {state.get('delete_error')}"
        return BucketHealth(
            int(num_waiting),
            int(num_deleting),
            error,
            _time(int(since)) if since else None,
            int(slow_ms) / 1000 if slow_ms else None,
        )

    def num_refusing(self) -> int:
        """Returns the number of tenants whose bucket refused the last copy or deletion, while some wait.

        It looks at the 1,000 tenants that are served next.
        """
        with translated():
            tenants = cast("list[str]", self._client.zrange("gridpress:copy_tenants", 0, _MOST_MEASURED - 1))
            pipeline = self._client.pipeline(transaction=False)
            for tenant in tenants:
                pipeline.hmget(f"gridpress:copy_state:{tenant}", "failing_since_ms", "delete_failing_since_ms")
            return sum(any(since) for since in pipeline.execute())


def bucket_of(tenant: TenantId, text: str) -> TenantBucket:
    """Returns the bucket that a record describes (JSON)."""
    found: Mapping[str, Any] = json.loads(text)
    updated_ms = found.get("updated_ms")
    return TenantBucket(
        tenant,
        **{name: found[name] for name in _FIELDS},
        updated_at=None if updated_ms is None else _time(updated_ms),
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
