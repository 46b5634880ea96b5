"""Reads the records of jobs. In a list of jobs, deleted and unreadable records are left out."""

from collections.abc import Mapping, Sequence

from shared.ids import JobId, RenderId, render_id
from shared.jobs.job import Job
from shared.store.core.connect import Client, translated
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.record_lists import UNREADABLE, readable
from shared.store.jobs import codec

_PREFIX = "gridpress:"
_MOST_DIGITS = 5  # a record is broken if its number of renders has so many digits

Renders = Sequence[tuple[RenderId, codec.Hash]]
Row = tuple[codec.Hash, Renders]


class JobRecords:
    """Reads the records of jobs. Every method raises `StoreUnavailable` when the store does not answer."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def read(self, job_ids: Sequence[JobId], *, is_strict: bool = False) -> list[Job]:
        """Returns the jobs with these ids, with one round trip to the store, or with two if a job has several renders.
        A job that is deleted between these two is left out.
        """
        with translated():
            rows = self._rows(job_ids)
        standing = [(job_id, row) for job_id, row in rows if row[0] and all(render for _, render in row[1])]
        return readable(FaultCounts(self._client), "job", standing, _job, is_strict=is_strict)

    def _rows(self, job_ids: Sequence[JobId]) -> list[tuple[JobId, Row]]:
        firsts = [render_id(job_id, 0) for job_id in job_ids]
        keys = [
            key for job_id, first in zip(job_ids, firsts, strict=True) for key in (f"job:{job_id}", f"render:{first}")
        ]
        found = self._hashes(keys)
        jobs, first_renders = found[::2], found[1::2]
        further = {
            job_id: [render_id(job_id, index) for index in range(1, _num_renders(job))]
            for job_id, job in zip(job_ids, jobs, strict=True)
        }
        renders = iter(self._hashes([f"render:{render}" for group in further.values() for render in group]))
        return [
            (job_id, (job, [(first, first_hash), *((render, next(renders)) for render in further[job_id])]))
            for job_id, job, first, first_hash in zip(job_ids, jobs, firsts, first_renders, strict=True)
        ]

    def _hashes(self, names: Sequence[str]) -> list[dict[str, str]]:
        pipeline = self._client.pipeline(transaction=False)
        for name in names:
            pipeline.hgetall(_PREFIX + name)
        return pipeline.execute()


def job_of_record(job_id: JobId, record: Sequence[Sequence[str]]) -> Job | None:
    """Returns the job of a record that a script returned together with a lease (job_record.lua).

    Returns None if there is no record, or if it can't be read.
    """
    try:
        job, *renders = map(_fields, record)
        return _job(job_id, (job, [(render_id(job_id, index), render) for index, render in enumerate(renders)]))
    except UNREADABLE:
        return None


def _fields(flat: Sequence[str]) -> Mapping[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _num_renders(job: codec.Hash) -> int:
    """Returns the number of renders that a job's record names.

    Returns 0 for an unreadable number. The job then counts as unreadable.
    """
    text = job.get("n", "")
    return int(text) if text.isdecimal() and len(text) < _MOST_DIGITS else 0


def _job(job_id: JobId, row: Row) -> Job:
    job, renders = row
    if _num_renders(job) != len(renders):
        raise ValueError(f"a job of {job.get('n')} renders")
    return codec.job_of(job_id, job, [codec.render_of(*render) for render in renders])
