"""Leases ended jobs whose manifest (JSON description in the object store) is to be written, and records the outcome. It
writes no manifest itself.
"""

from dataclasses import dataclass, field

from shared.ids import HolderId, JobId, WorkerId, new_holder_id
from shared.jobs.job import Job
from shared.store.core.connect import Client
from shared.store.core.scripts import Scripts
from shared.store.jobs.records import job_of_record
from shared.tracing.origin import Origin


@dataclass(frozen=True, slots=True)
class ManifestClaim:
    """A leased job whose manifest is to be written. `attempt` counts from 1.

    `job` is None if the record of the job can't be read.
    """

    job_id: JobId
    attempt: int
    holder: HolderId
    origin: Origin | None = field(default=None, compare=False)
    job: Job | None = field(default=None, compare=False, repr=False)


class ManifestStore:
    """Leases ended jobs whose manifest is due to be written. If a lease expires, its job is due again."""

    def __init__(self, client: Client, lease_ttl_s: float, worker: WorkerId | None = None) -> None:
        """Creates a client of the store for one worker. `worker` is the id of the worker process.

        The holder id of every lease contains this id, so all leases of the process can be freed when it ends.
        """
        self._worker = worker
        self._scripts = Scripts(client)
        self._lease_ttl_ms = int(lease_ttl_s * 1000)

    def claim(self) -> ManifestClaim | None:
        """Leases a job whose manifest is due to be written. Returns None when there is no such job."""
        holder = new_holder_id(self._worker)
        answer = self._scripts.run("claim_manifest", holder, self._lease_ttl_ms)
        if not answer:
            return None
        job_id, attempt, origin, record = answer
        job = job_of_record(job_id, record)
        return ManifestClaim(JobId(job_id), int(attempt), holder, Origin.parse(origin), job)

    def written(self, claim: ManifestClaim) -> bool:
        """Records that the manifest of a job is written. Returns False when the lease on the job was lost meanwhile."""
        return self._finish(claim, "", "")

    def retry_later(self, claim: ManifestClaim, error: str, delay_s: float) -> bool:
        """Makes the manifest of a job due again after `delay_s`, because writing it failed. Returns False when the
        lease was lost meanwhile.
        """
        return self._finish(claim, error, int(delay_s * 1000))

    def abandon(self, claim: ManifestClaim, error: str) -> bool:
        """Records that the manifest of a job is given up after an error. Returns False when the lease on the job was
        lost meanwhile.
        """
        return self._finish(claim, error, "")

    def _finish(self, claim: ManifestClaim, error: str, delay_ms: int | str) -> bool:
        return bool(self._scripts.run("finish_manifest", claim.job_id, claim.holder, error[:500], delay_ms))
