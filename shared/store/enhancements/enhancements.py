"""Leases jobs whose prompt is to be enhanced, and stores the outcome. It calls no model.

A job that asks for an enhanced prompt passes this stage before AR.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from redis import ResponseError

from shared.ids import HolderId, JobId, WorkerId, new_holder_id
from shared.jobs.spec import JobSpec
from shared.store.core.connect import Client
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.record_lists import readable
from shared.store.core.scripts import Scripts
from shared.tracing.origin import Origin, log_ids


@dataclass(frozen=True, slots=True)
class EnhancementClaim:
    """A leased job whose prompt is to be enhanced. `attempt` counts from 1 and includes attempts whose worker died."""

    job_id: JobId
    spec: JobSpec
    attempt: int
    holder: HolderId
    origin: Origin | None = field(default=None, compare=False)

    @property
    def log_ids(self) -> Mapping[str, str | int]:
        """The fields that identify this job in log lines."""
        return log_ids(self.origin, job_id=self.job_id)


class EnhancementStore:
    """Leases jobs whose prompt is to be enhanced. A lease is on a whole job, not on a render.

    If a lease expires, its job is due again. Only the current holder of the lease may write.
    """

    def __init__(self, client: Client, lease_ttl_s: float, worker: WorkerId | None = None) -> None:
        """Creates a client of the store for one worker. `worker` is the id of the worker process.

        The holder id of every lease contains this id, so all leases of the process can be freed when it ends.
        """
        self._worker = worker
        self._scripts = Scripts(client)
        self._faults = FaultCounts(client)
        self._lease_ttl_ms = int(lease_ttl_s * 1000)

    def claim(self) -> EnhancementClaim | None:
        """Leases the first job whose prompt is due to be enhanced. Returns None when no job is due."""
        holder = new_holder_id(self._worker)
        while answer := self._scripts.run("claim_enhancement", holder, self._lease_ttl_ms):
            job_id = JobId(answer[0])
            if found := readable(self._faults, "enhancement", [(job_id, (answer, holder))], _claim_of):
                return found[0]
            self._give_up(job_id, holder)
        return None

    def _give_up(self, job_id: JobId, holder: HolderId) -> None:
        """Records that the prompt enhancement of a job failed, because the job's record can't be read. If even that is
        impossible with the broken record, sets the job aside (takes it out of its queue).
        """
        error = {"code": "record_unreadable", "message": "the record of this job can't be read"}
        try:
            self._scripts.run("finish_enhancement", job_id, holder, "failed", json.dumps(error), 0)
        except ResponseError:  # the job has left its list, and a render of the job could not be queued
            self._scripts.run("set_aside", "enhancements", job_id, "enhancements", error["message"], "")

    def succeed(self, claim: EnhancementClaim, revised_prompt: str) -> bool:
        """Stores the enhanced prompt and queues the job's renders for AR with it.

        Returns False, and changes nothing, when the lease was lost.
        """
        return self._finish(claim, "succeeded", revised_prompt, 0)

    def fail(self, claim: EnhancementClaim, error: Mapping[str, str]) -> bool:
        """Stores why the prompt was not enhanced, and queues the job's renders for AR with the original prompt.

        Returns False, and changes nothing, when the lease was lost.
        """
        return self._finish(claim, "failed", json.dumps(error), 0)

    def retry_later(self, claim: EnhancementClaim, delay_s: float) -> bool:
        """Makes the job due for another attempt to enhance its prompt after `delay_s`. Returns False when the lease was
        lost.
        """
        return self._finish(claim, "pending", "", delay_s)

    def _finish(self, claim: EnhancementClaim, status: str, text: str, delay_s: float) -> bool:
        args = (claim.job_id, claim.holder, status, text, int(delay_s * 1000))
        return bool(self._scripts.run("finish_enhancement", *args))


def _claim_of(job_id: JobId, leased: tuple[Sequence[str], HolderId]) -> EnhancementClaim:
    (_, attempt, spec, origin), holder = leased
    return EnhancementClaim(job_id, JobSpec.model_validate_json(spec), int(attempt), holder, Origin.parse(origin))
