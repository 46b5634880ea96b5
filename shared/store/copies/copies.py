"""Leases jobs and batches that are to be copied into the buckets of their tenants, and copies that are to be deleted.
Stores the outcomes. It copies and deletes nothing itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from shared.batches.batch import BatchId
from shared.ids import HolderId, JobId, TenantId, WorkerId, new_holder_id
from shared.jobs.job import Job
from shared.objects.tenant_bucket import TenantBucket
from shared.store.copies.buckets import bucket_of
from shared.store.copies.deletion import CopyDeletion
from shared.store.core.connect import Client
from shared.store.core.scripts import Scripts
from shared.store.jobs.records import job_of_record
from shared.tracing.origin import Origin, log_ids

Outcome = Literal["copied", "deleted", "failed", "refused", "later"]

_MOST_ERROR = 300  # characters
_GIVEN_UP = 2  # as finish_copy.lua returns it
_MOST_CALLS = 50  # of one claim, each for 20 tenants or 100 copies that are given up; the caller then claims again


@dataclass(frozen=True, slots=True)
class CopyClaim:
    """A leased job or batch. `job` is None for a batch, and for a job whose record can't be read.

    With a `deletion`, its copies are to be deleted, and all other fields about the job or batch are empty.
    `line_of` is the batch of a job that was a batch line, and `note` has the fields of that line. `is_limited` says
    whether the bucket refused the last try of this kind, or is slow.
    """

    entry: str
    tenant: TenantId
    place: TenantBucket
    holder: HolderId
    is_limited: bool = False
    job: Job | None = None
    line_of: BatchId | None = None
    note: str = ""
    deletion: CopyDeletion | None = None
    origin: Origin | None = field(default=None, compare=False)

    @property
    def is_deletion(self) -> bool:
        """Returns whether a copy is to be deleted."""
        return self.deletion is not None or self.is_unreadable

    @property
    def is_unreadable(self) -> bool:
        """Returns whether a copy is to be deleted, but the entry does not say which."""
        return self.deletion is None and "|" in self.entry

    @property
    def batch_id(self) -> BatchId | None:
        """Returns the batch to copy; None if a job is to be copied."""
        if self.deletion:
            return self.deletion.batch_id
        return BatchId(self.entry) if self.entry.startswith("batch_") else None

    @property
    def job_id(self) -> JobId:
        """Returns the job to copy, or whose copy is to be deleted. Call it only without a `batch_id`."""
        found = self.deletion.job_id if self.deletion else JobId(self.entry)
        assert found
        return found

    @property
    def log_ids(self) -> Mapping[str, str | int]:
        """Returns the ids that every log line about this copy carries."""
        ids: Mapping[str, str] = {"batch_id": self.batch_id} if self.batch_id else {"job_id": self.job_id}
        if self.is_unreadable:
            ids = {"entry": self.entry}
        return log_ids(self.origin, tenant=self.tenant, **ids)


@dataclass(frozen=True, slots=True)
class CopyRules:
    """Rules for leases: their length, how many one tenant has at once, and how long a bucket that refuses is tried."""

    lease_ttl_s: float = 120.0
    concurrency: int = 4
    patience_s: float = 3600.0


class CopyStore:
    """Leases copies and deletions that are due. Every method raises `StoreUnavailable` if the store does not answer."""

    def __init__(
        self,
        client: Client,
        rules: CopyRules,
        worker: WorkerId | None = None,
        on_given_up: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Creates it without asking the store. `on_given_up` is told how many copies were given up."""
        self._scripts = Scripts(client)
        self._rules = rules
        self._worker = worker
        self._on_given_up = on_given_up

    def claim(self, *, may_be_limited: bool = True, stops: Callable[[], bool] = lambda: False) -> CopyClaim | None:
        """Leases a copy or deletion that is due. Returns None when there is none, or none is found for 1,000 tenants.

        Without `may_be_limited`, it leases nothing for a bucket that refused last or is slow. It stops searching when
        `stops` returns True.
        """
        rules, holder = self._rules, new_holder_id(self._worker)
        ttl_ms, patience_ms = int(rules.lease_ttl_s * 1000), int(rules.patience_s * 1000)
        asked = (holder, ttl_ms, rules.concurrency, patience_ms, int(may_be_limited))
        for _ in range(_MOST_CALLS):
            result, *found = self._scripts.run("claim_copy", *asked)
            if result == "leased":
                return _claim_of(found, holder)
            if result == "given_up":
                self._on_given_up(int(found[0]))
            if result == "none" or stops():
                break
        return None

    def renew(self, claim: CopyClaim) -> bool:
        """Extends a lease. Returns False if it was lost."""
        ttl_ms = int(self._rules.lease_ttl_s * 1000)
        return bool(self._scripts.run("renew_copy", claim.entry, claim.tenant, claim.holder, ttl_ms))

    def finish(self, claim: CopyClaim, outcome: Outcome, detail: str = "", *, slow_s: float = 0.0) -> bool:
        """Ends a try. `detail` is the location of the copies, or the error. See finish_copy.lua for the outcomes.

        `slow_s` is the mean time of the bucket's last requests if the bucket is slow, else 0. Returns False if the
        lease was lost.
        """
        detail = detail[:_MOST_ERROR] if outcome != "copied" else detail
        who, times = (claim.entry, claim.tenant, claim.holder), (int(self._rules.patience_s * 1000), int(slow_s * 1000))
        ended = int(self._scripts.run("finish_copy", *who, outcome, detail, *times))
        if ended == _GIVEN_UP:
            self._on_given_up(1)
        return ended > 0


def _claim_of(found: list[str], holder: HolderId) -> CopyClaim:
    entry, tenant, text, is_limited, origin, record, batch, note = found
    owner = TenantId(tenant)
    return CopyClaim(
        entry=entry,
        tenant=owner,
        place=bucket_of(owner, text),
        holder=holder,
        is_limited=is_limited == "1",
        job=job_of_record(JobId(entry), record) if record else None,
        line_of=BatchId(batch) if batch else None,
        note=note,
        deletion=CopyDeletion.of_entry(entry),
        origin=Origin.parse(origin),
    )
