"""Erases the data of tenants from the store, step by step. All steps may be repeated, so that an interrupted erasure
goes on.

API keys, limits and the default of `delete_after_s` are settings. They stay unless the erasure includes settings.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import cast

from shared.ids import JobId, TenantId
from shared.objects.inputs import folder_of_inputs
from shared.store.core.connect import Client, translated
from shared.store.core.scripts import Scripts

_P = "gridpress:"
# A worker that has lost its lease may store an object for some minutes. Upkeep deletes such objects 10 minutes later.
_SETTLING_S = 660
_SCANNED = 1000  # keys of the store in one round trip
_ALL = "all"


class Phase(StrEnum):
    """The phase of an erasure. While it settles, nothing is done: a worker may still store one more object."""

    DELETING = "deleting"
    SETTLING = "settling"
    FINISHING = "finishing"


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure that has not ended."""

    tenant: TenantId
    phase: Phase
    started_at: datetime
    with_settings: bool


class ErasureStore:
    """Begins and reads erasures. Every method raises `StoreUnavailable` when the store does not answer."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def begin(self, tenant: TenantId, *, with_settings: bool = False) -> None:
        """Begins to erase the data of a tenant; with its API keys, limits and other settings if `with_settings` is set.

        From now on nothing new of the tenant is accepted. A repeated call goes on with the same erasure.
        """
        self._scripts.run("begin_erasure", tenant, int(with_settings))

    def find(self, tenant: TenantId) -> Erasure | None:
        """Returns the erasure of the tenant's data; None if none is under way."""
        with translated():
            found = cast("dict[str, str]", self._client.hgetall(f"{_P}erasure:{tenant}"))
        if not found:
            return None
        started_at = datetime.fromtimestamp(int(found["started_ms"]) / 1000, UTC)
        return Erasure(tenant, Phase(found["phase"]), started_at, "with_settings" in found)

    def all(self) -> list[Erasure]:
        """Returns all erasures that have not ended."""
        with translated():
            tenants = cast("set[TenantId]", self._client.smembers(f"{_P}erasing"))
        return [found for tenant in sorted(tenants) if (found := self.find(tenant))]

    def turn(self, tenant: TenantId) -> bool:
        """Moves an erasure to its next phase, if it is time. Returns whether the erasure has ended.

        Call this when nothing more was found to delete.
        """
        return bool(self._scripts.run("turn_erasure", tenant, _SETTLING_S * 1000) == "done")

    def scanned(self, tenant: TenantId) -> str | None:
        """Returns the last folder of the object store that was searched for objects of the tenant: '' before the first,
        None after all of them.
        """
        with translated():
            found = cast("str | None", self._client.hget(f"{_P}erasure:{tenant}", "scanned"))
        return None if found == _ALL else found or ""

    def note_scanned(self, tenant: TenantId, folder: str | None) -> None:
        """Stores the last folder that was searched; None after all of them."""
        with translated():
            if self._client.exists(f"{_P}erasure:{tenant}"):
                self._client.hset(f"{_P}erasure:{tenant}", "scanned", folder or _ALL)


class TenantRecords:
    """Deletes the records of one tenant, some at each call. Every method returns how many it deleted, and 0 when none
    is left. Every method raises `StoreUnavailable` when the store does not answer.
    """

    def __init__(self, client: Client, tenant: TenantId) -> None:
        self._client = client
        self._scripts = Scripts(client)
        self._tenant = tenant

    def cancel_jobs(self) -> int:
        """Cancels up to 100 unfinished jobs, so that workers stop rendering them."""
        return int(self._scripts.run("cancel_jobs", self._tenant, 50))

    def delete_batches(self) -> int:
        """Deletes up to 20 batches. Upkeep deletes their jobs and objects."""
        return int(self._scripts.run("erase_batches", self._tenant, 20))

    def delete_jobs(self) -> int:
        """Deletes up to 100 jobs, and index entries of jobs. Upkeep deletes their objects."""
        return int(self._scripts.run("erase_jobs", self._tenant, 100))

    def delete_files(self) -> int:
        """Deletes up to 100 files. Upkeep deletes their bytes."""
        return int(self._scripts.run("erase_files", self._tenant, 100))

    def delete_uploads(self) -> int:
        """Deletes the records of all uploads that are not complete. Upkeep deletes their bytes."""
        return self._each("erase_uploads", self._members("file_ends"))

    def delete_endpoints(self) -> int:
        """Deletes all webhook endpoints."""
        with translated():
            found = cast("list[str]", self._client.zrange(f"{_P}endpoints:{self._tenant}", 0, -1))
        return sum(int(self._scripts.run("delete_endpoint", endpoint, self._tenant)) for endpoint in found)

    def delete_messages(self) -> int:
        """Deletes up to 100 webhook messages."""
        return int(self._scripts.run("erase_messages", self._tenant, 100))

    def delete_destinations(self) -> int:
        """Deletes all records of webhook receivers."""
        pages = self._keys("destination:*")
        return self._each("erase_destinations", ([key.removeprefix("destination:") for key in page] for page in pages))

    def delete_requests(self) -> int:
        """Deletes all records of Idempotency-Keys, and of jobs whose response was not delivered."""
        num = 0
        for name in ("idempotency", "undelivered"):
            for page in self._keys(f"{name}:{self._tenant}:*"):
                with translated():
                    num += int(self._client.delete(*(_P + key for key in page))) if page else 0
        for scopes in self._members("idempotency_ends", f"{self._tenant}:*"):
            with translated():
                num += int(self._client.zrem(f"{_P}idempotency_ends", *scopes)) if scopes else 0
        return num

    def delete_inputs(self) -> int:
        """Makes condition images due for deletion that no job uses, also those of jobs whose deletion did not tell."""
        num = 0
        for page in self._keys(f"input_uses:{folder_of_inputs(self._tenant)}*"):
            for name in page:
                with translated():
                    jobs = cast("set[str]", self._client.smembers(_P + name))
                num += int(self._scripts.run("mend_inputs", name.removeprefix("input_uses:"), *jobs))
        return num + int(self._scripts.run("erase_inputs", self._tenant, 100))

    def delete_usage(self) -> int:
        """Deletes what the tenant used, in all months."""
        num = 0
        for months in self._members("usage", f"*|{self._tenant}"):
            with translated():
                if months:
                    self._client.delete(*(f"{_P}usage:{each.replace('|', ':', 1)}" for each in months))
                    num += int(self._client.zrem(f"{_P}usage", *months))
        return num

    def delete_rest(self) -> int:
        """Deletes all other records but settings."""
        pools = [key.removeprefix("since:") for page in self._keys("since:*") for key in page]
        return int(self._scripts.run("erase_rest", self._tenant, *pools))

    def delete_settings(self) -> int:
        """Deletes limits and their counters, API keys, a pause, the bucket, and the default of `delete_after_s`. Takes
        the tenant from the list of all tenants.

        The ids of the API keys stay in the list of all keys, so that an API without other keys does not open.
        """
        names = [f"{_P}{kind}:{self._tenant}" for kind in ("limits", "delete_after", "keys_of")]
        for kind in ("requests", "pixels"):
            names += [_P + key for page in self._keys(f"used:*{kind}/{self._tenant}/*") for key in page]
        for page in self._keys("key:*"):
            with translated():
                pipeline = self._client.pipeline(transaction=False)
                for key in page:
                    pipeline.hget(_P + key, "tenant")
                owners = pipeline.execute()
            names += [_P + key for key, owner in zip(page, owners, strict=True) if owner == self._tenant]
        with translated():
            num = int(self._client.hdel(f"{_P}buckets", self._tenant))
            num += int(self._client.zrem(f"{_P}tenants", self._tenant))
            return (
                num + int(self._client.delete(*names)) + int(self._client.hdel(f"{_P}paused", f"tenant:{self._tenant}"))
            )

    def unknown(self, job_ids: Sequence[JobId]) -> list[JobId]:
        """Returns those of these jobs, of any tenant, that are not in the store."""
        with translated():
            pipeline = self._client.pipeline(transaction=False)
            for job_id in job_ids:
                pipeline.exists(f"{_P}job:{job_id}")
            return [job_id for job_id, stands in zip(job_ids, pipeline.execute(), strict=True) if not stands]

    def _each(self, script: str, pages: Iterator[list[str]]) -> int:
        return sum(int(self._scripts.run(script, self._tenant, *page)) for page in pages if page)

    def _keys(self, pattern: str) -> Iterator[list[str]]:
        """Yields the names of all keys that match, page by page, without the prefix of all keys."""
        cursor = None
        while cursor != 0:
            with translated():
                cursor, keys = self._client.scan(cursor or 0, match=_P + pattern, count=_SCANNED)
            yield [str(key).removeprefix(_P) for key in keys]

    def _members(self, name: str, pattern: str = "*") -> Iterator[list[str]]:
        """Yields the members of a sorted set that match, page by page."""
        cursor = None
        while cursor != 0:
            with translated():
                cursor, pairs = self._client.zscan(_P + name, cursor or 0, match=pattern, count=_SCANNED)
            yield [str(member) for member, _ in pairs]
