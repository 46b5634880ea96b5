"""Leases jobs whose prompt is to be enhanced, the stage before AR, and records the outcome. Calls no model."""

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
    """A leased job. `attempt` counts from 1 and includes attempts of workers that died."""

    job_id: JobId
    spec: JobSpec
    attempt: int
    holder: HolderId
    origin: Origin | None = field(default=None, compare=False)

    @property
    def log_ids(self) -> Mapping[str, str | int]:
        """The fields by which log lines about this job are found."""
        return log_ids(self.origin, job_id=self.job_id)


class EnhancementStore:
    """One lease per job, not per render.

    A job whose lease ends is due again; only the holder of its lease may write.
    """

    def __init__(self, client: Client, lease_ttl_s: float, worker: WorkerId | None = None) -> None:
        """`worker` is put into the leases, so that they can be freed when that worker's process ends."""
        self._worker = worker
        self._scripts = Scripts(client)
        self._faults = FaultCounts(client)
        self._lease_ttl_ms = int(lease_ttl_s * 1000)

    def claim(self) -> EnhancementClaim | None:
        """Leases the job that is due first. Returns None when none is due."""
        holder = new_holder_id(self._worker)
        while answer := self._scripts.run("claim_enhancement", holder, self._lease_ttl_ms):
            job_id = JobId(answer[0])
            if found := readable(self._faults, "enhancement", [(job_id, (answer, holder))], _claim_of):
                return found[0]
            self._give_up(job_id, holder)
        return None

    def _give_up(self, job_id: JobId, holder: HolderId) -> None:
        """Ends the enhancement of a job that can't be read; puts it aside if its record is too broken even for that."""
        error = {"code": "record_unreadable", "message": "what the job store has of this job can't be read"}
        try:
            self._scripts.run("finish_enhancement", job_id, holder, "failed", json.dumps(error), 0)
        except ResponseError:  # it left its list, and a render of it could not be queued
            self._scripts.run("set_aside", "enhancements", job_id, "enhancements", error["message"], "")

    def succeed(self, claim: EnhancementClaim, revised_prompt: str) -> bool:
        """Stores `revised_prompt`, from which the renders are made, and queues them for AR. Returns False when the
        lease was lost.
        """
        return self._finish(claim, "succeeded", revised_prompt, 0)

    def fail(self, claim: EnhancementClaim, error: Mapping[str, str]) -> bool:
        """Queues the renders for AR with the original prompt. Returns False when the lease was lost."""
        return self._finish(claim, "failed", json.dumps(error), 0)

    def retry_later(self, claim: EnhancementClaim, delay_s: float) -> bool:
        """Makes the job due again after `delay_s`. Returns False when the lease was lost."""
        return self._finish(claim, "pending", "", delay_s)

    def _finish(self, claim: EnhancementClaim, status: str, text: str, delay_s: float) -> bool:
        args = (claim.job_id, claim.holder, status, text, int(delay_s * 1000))
        return bool(self._scripts.run("finish_enhancement", *args))


def _claim_of(job_id: JobId, leased: tuple[Sequence[str], HolderId]) -> EnhancementClaim:
    (_, attempt, spec, origin), holder = leased
    return EnhancementClaim(job_id, JobSpec.model_validate_json(spec), int(attempt), holder, Origin.parse(origin))
