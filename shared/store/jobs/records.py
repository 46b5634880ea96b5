"""Reads the records of jobs. In a list of jobs, deleted and unreadable records are left out."""

from collections.abc import Sequence

from shared.ids import JobId, RenderId, render_id
from shared.jobs.job import Job
from shared.store.core.connect import Client, translated
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.record_lists import readable
from shared.store.jobs import codec

_PREFIX = "gridpress:"
_MOST_DIGITS = 5  # a record is broken if its number of renders has so many digits


class JobRecords:
    """Reads the records of jobs. Every method raises `StoreUnavailable` when the store does not answer."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def read(self, job_ids: Sequence[JobId], *, is_strict: bool = False) -> list[Job]:
        """Returns the jobs with these ids, with two round trips to the store. A job that is deleted between these two
        is left out.
        """
        with translated():
            hashes = self._hashes([f"{_PREFIX}job:{job_id}" for job_id in job_ids])
            known = [(job_id, job) for job_id, job in zip(job_ids, hashes, strict=True) if job]
            ids = [[render_id(job_id, index) for index in range(_num_renders(job))] for job_id, job in known]
            renders = iter(self._hashes([f"{_PREFIX}render:{render}" for group in ids for render in group]))
        rows = [
            (job_id, (job, [(render, next(renders)) for render in group]))
            for (job_id, job), group in zip(known, ids, strict=True)
        ]
        standing = [row for row in rows if all(render for _, render in row[1][1])]
        return readable(FaultCounts(self._client), "job", standing, _job, is_strict=is_strict)

    def _hashes(self, keys: Sequence[str]) -> list[dict[str, str]]:
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.hgetall(key)
        return pipeline.execute()


def _num_renders(job: codec.Hash) -> int:
    """Returns the number of renders that a job's record names.

    Returns 0 for an unreadable number. The job then counts as unreadable, because decoding a job without renders fails.
    """
    text = job.get("n", "")
    return int(text) if text.isdecimal() and len(text) < _MOST_DIGITS else 0


def _job(job_id: JobId, row: tuple[codec.Hash, Sequence[tuple[RenderId, codec.Hash]]]) -> Job:
    job, renders = row
    if not renders:
        raise ValueError(f"a job of {job.get('n')} renders")
    return codec.job_of(job_id, job, [codec.render_of(*render) for render in renders])
