"""Reads ended jobs that have shrunk to index entries (kept.lua). The store says whose they are, and their manifests
tell the rest.

An entry whose manifest is no longer in the object store is removed, for example after a lifecycle rule of the bucket.
"""

import json
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, cast

from shared.errors import JobNotFound, ObjectNotFound
from shared.ids import JobId, ObjectKey, TenantId
from shared.jobs.job import Job
from shared.jobs.manifest import job_of_manifest, manifest_key
from shared.jobs.states import JobStatus
from shared.store.core.connect import Client, translated
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.record_lists import readable
from shared.store.core.scripts import Scripts
from shared.store.jobs.filter import JobFilter

_PREFIX = "gridpress:kept:"
_ENDS = tuple(status for status in JobStatus if status.is_final)
_AT_ONCE = 16  # manifests that are read at the same time


class Objects(Protocol):
    """Reads objects of the object store, as `ObjectStore` does. A role that reads no objects need not import that."""

    def get(self, key: ObjectKey) -> bytes: ...


@dataclass(frozen=True, slots=True)
class OldestKept:
    """The oldest index entries of a tenant's list for one status, which is due for a look."""

    tenant: TenantId
    status: str
    job_ids: Sequence[JobId]


class KeptJobs:
    """Reads and deletes jobs that are only index entries. Every method raises `StoreUnavailable` when the store does
    not answer, and reading raises `ObjectStoreUnavailable`.
    """

    def __init__(self, client: Client, objects: Objects) -> None:
        self._client = client
        self._objects = objects
        self._scripts = Scripts(client)

    def read(
        self, job_ids: Sequence[JobId], tenant: TenantId, *, known: Collection[JobId] = (), is_strict: bool = False
    ) -> list[Job]:
        """Returns those of these jobs that are index entries of the tenant, in the same order.

        The store is not asked again for the entries in `known`. With `is_strict`, a manifest that can't be read raises
        `RecordUnreadable`. Otherwise its job is left out.
        """
        entries = {*known, *self.statuses([job_id for job_id in job_ids if job_id not in known], tenant)}
        ids = [job_id for job_id in job_ids if job_id in entries]
        manifests = self.manifests(ids)
        found = [(job_id, text) for job_id, text in zip(ids, manifests, strict=True) if text is not None]
        if gone := [job_id for job_id, text in zip(ids, manifests, strict=True) if text is None]:
            self.forget(gone, tenant)
        faults = FaultCounts(self._client)
        return readable(faults, "manifest", found, lambda _, text: _job(text, tenant), is_strict=is_strict)

    def statuses(self, job_ids: Sequence[JobId], tenant: TenantId) -> dict[JobId, JobStatus]:
        """Returns the statuses of those jobs that are index entries of the tenant, in one round trip to the store."""
        if not job_ids:
            return {}
        asked = [(job_id, status) for job_id in job_ids for status in _ENDS]
        with translated():
            pipeline = self._client.pipeline(transaction=True)
            for job_id, status in asked:
                pipeline.zrangebylex(f"{_PREFIX}{tenant}:{status}", f"[{job_id}|", f"({job_id}}}", start=0, num=1)
            found = pipeline.execute()
        return {job_id: status for (job_id, status), entries in zip(asked, found, strict=True) if entries}

    def read_of_any_tenant(self, job_id: JobId) -> Job:
        """Returns a job that is an index entry, of any tenant. Raises `JobNotFound`."""
        (text,) = self.manifests([job_id])
        tenant = _tenant_of(text) if text else None
        found = self.read([job_id], tenant, is_strict=True) if tenant else []
        if not found:
            raise JobNotFound(f"no job {job_id}")
        return found[0]

    def delete(self, job_id: JobId, tenant: TenantId) -> bool:
        """Deletes the tenant's index entry of a job. Upkeep deletes the objects. Returns whether there was an entry."""
        return bool(self._scripts.run("delete_kept_job", job_id, tenant))

    def forget(self, job_ids: Sequence[JobId], tenant: TenantId) -> int:
        """Removes index entries of jobs whose objects are gone. Returns the number of removed entries."""
        return int(self._scripts.run("forget_kept_jobs", tenant, *job_ids))

    def oldest(self, most: int, next_look_s: float) -> OldestKept | None:
        """Returns up to `most` of the oldest entries of a list that is due for a look; None if no list is due.

        The next look at the list is in `next_look_s`.
        """
        found = cast("list[str]", self._scripts.run("oldest_kept_jobs", most, int(next_look_s * 1000)))
        if not found:
            return None
        tenant, status, *entries = found
        return OldestKept(TenantId(tenant), status, [job_of_entry(entry) for entry in entries])

    def look_again(self, oldest: OldestKept, delay_s: float) -> None:
        """Makes the list of these entries due for a look after `delay_s`, if the list still exists."""
        self._scripts.run("put_off", "kept_lists", f"{oldest.tenant}:{oldest.status}", int(delay_s * 1000))

    def manifests(self, job_ids: Sequence[JobId]) -> list[bytes | None]:
        """Returns the manifests of these jobs as they are stored; None for each that is missing."""
        if len(job_ids) <= 1:
            return [self._manifest(job_id) for job_id in job_ids]
        with ThreadPoolExecutor(min(_AT_ONCE, len(job_ids)), thread_name_prefix="manifests") as pool:
            return list(pool.map(self._manifest, job_ids))

    def _manifest(self, job_id: JobId) -> bytes | None:
        try:
            return self._objects.get(manifest_key(job_id))
        except ObjectNotFound:
            return None


def queue_kept(pipeline: Any, tenant: TenantId, filters: JobFilter, limit: int, after: JobId | None) -> None:
    """Adds to a pipeline the commands that read a page of the tenant's index entries."""
    first, last = filters.kept_bounds(after)
    for status in _ENDS:
        key = f"{_PREFIX}{tenant}:{status}"
        if filters.statuses and status not in filters.statuses:
            continue
        if filters.is_oldest_first:
            pipeline.zrangebylex(key, first, last, start=0, num=limit)
        else:
            pipeline.zrevrangebylex(key, last, first, start=0, num=limit)


def job_of_entry(entry: str) -> JobId:
    """Returns the job of an index entry, or of an id in a list of jobs."""
    return JobId(entry.partition("|")[0])


def _tenant_of(text: bytes) -> TenantId | None:
    try:
        return TenantId(json.loads(text)["spec"]["tenant"])
    except (ValueError, KeyError, TypeError):
        return None


def _job(text: bytes, tenant: TenantId) -> Job:
    job = job_of_manifest(json.loads(text))
    if job.spec.tenant != tenant:
        raise ValueError("the manifest is that of another tenant")
    return job
