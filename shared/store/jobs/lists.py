"""Reads lists of a tenant's jobs: those with records in the store, and those that are only index entries."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from shared.ids import JobId, TenantId
from shared.jobs.job import Job
from shared.store.core.connect import Client, translated
from shared.store.core.record_lists import filled_page
from shared.store.jobs.filter import JobFilter
from shared.store.jobs.kept import KeptJobs, job_of_entry, queue_kept
from shared.store.jobs.records import JobRecords

_PREFIX = "gridpress:"
_SCANNED_AT_ONCE, _MOST_SCANS = 100, 10  # jobs that one request for a filtered list reads: 0.2 s of work at most
_MOST_MANIFESTS = 200  # about so many does it read from the object store


@dataclass(frozen=True, slots=True)
class Scanned:
    """Jobs that passed a filter which reads jobs, and the id at which the search goes on; None at the list's end."""

    jobs: Sequence[Job]
    next: JobId | None


@dataclass(frozen=True, slots=True)
class JobLists:
    """Reads lists of jobs. Without `kept`, index entries are not read, and lists have only jobs with records."""

    client: Client
    records: JobRecords
    kept: KeptJobs | None

    def page(self, tenant: TenantId, filters: JobFilter, *, limit: int, after: JobId | None) -> list[Job]:
        """Returns a page of the tenant's jobs that pass `filters`, newest first unless `filters` set another order.

        `after` is the last id of the previous page. A filter that reads jobs needs `scan` instead.
        """
        assert not filters.reads_jobs
        kept: set[JobId] = set()
        return filled_page(
            limit,
            after,
            lambda last, count: self.ids(tenant, filters, count, last, kept),
            lambda ids: self.read(ids, tenant, kept),
        )

    def scan(self, tenant: TenantId, filters: JobFilter, *, limit: int, after: JobId | None) -> Scanned:
        """Returns up to `limit` of the tenant's jobs that pass `filters`, by reading at most about 1,000 jobs, and at
        most about 200 manifests.

        `after` is `next` of the previous call. A result may have fewer jobs than `limit`, or none, although others
        follow: `next` is None only at the end of the list.
        """
        found: list[Job] = []
        kept: set[JobId] = set()
        for _ in range(_MOST_SCANS):
            ids = self.ids(tenant, filters, _SCANNED_AT_ONCE, after, kept)
            for job in self.read(ids, tenant, kept):
                if filters.passes(job):
                    found.append(job)
                if len(found) == limit:
                    return Scanned(found, job.job_id)
            if len(ids) < _SCANNED_AT_ONCE:
                return Scanned(found, None)
            after = ids[-1]
            if len(kept) >= _MOST_MANIFESTS:
                break
        return Scanned(found, after)

    def read(self, job_ids: Sequence[JobId], tenant: TenantId, kept: Collection[JobId] = ()) -> list[Job]:
        """Returns the jobs with these ids, in their order. Those in `kept` are index entries, and others may have
        become entries meanwhile.
        """
        found = self.records.read([job_id for job_id in job_ids if job_id not in kept])
        standing = {job.job_id: job for job in found}
        if self.kept and len(standing) < len(job_ids):
            rest = [job_id for job_id in job_ids if job_id not in standing]
            known = [job_id for job_id in rest if job_id in kept]
            standing |= {job.job_id: job for job in self.kept.read(rest, tenant, known=known)}
        return [standing[job_id] for job_id in job_ids if job_id in standing]

    def ids(
        self, tenant: TenantId, filters: JobFilter, limit: int, after: JobId | None, kept: set[JobId] | None = None
    ) -> list[JobId]:
        """Returns up to `limit` ids of the tenant's jobs that pass `filters` by status, time and batch, in order. Those
        that are index entries are added to `kept`, if it is given. Takes one round trip to the store.
        """
        keys = [f"{_PREFIX}jobs:{tenant}{suffix}" for suffix in filters.suffixes]
        first, last = filters.bounds(after)
        with translated():
            pipeline = self.client.pipeline(transaction=True)  # a job is in one list at a time
            for key in keys:
                if filters.is_oldest_first:
                    pipeline.zrangebylex(key, first, last, start=0, num=limit)
                else:
                    pipeline.zrevrangebylex(key, last, first, start=0, num=limit)
            if self.kept:
                queue_kept(pipeline, tenant, filters, limit, after)
            lists = pipeline.execute()
        found = {job_of_entry(entry) for entries in lists for entry in entries}
        page = sorted(found, reverse=not filters.is_oldest_first)[:limit]
        if kept is not None:
            kept |= {job_of_entry(entry) for entries in lists[len(keys) :] for entry in entries}.intersection(page)
        return page
