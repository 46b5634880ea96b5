"""Leases checks and stores their outcomes. It calls no hook and reads no picture.

A content check asks a hook of the operator whether a prompt or a picture is permitted (docs/content_hooks.md). A text
check reads the text in a picture (docs/text_check.md).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from redis import ResponseError

from shared.ids import HolderId, JobId, WorkerId, new_holder_id
from shared.jobs.drawings import Drawings, Keep, Redraw
from shared.jobs.job import Picture
from shared.jobs.spec import JobSpec
from shared.jobs.usage import Used
from shared.store.core.connect import Client
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.record_lists import readable
from shared.store.core.scripts import Scripts
from shared.store.jobs import codec
from shared.tracing.origin import Origin, log_ids


class Outcome(StrEnum):
    """The outcome of a content check. `failed` means that there was no verdict, and that the operator's setting refuses
    work without one.
    """

    ALLOWED = "allowed"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CheckClaim:
    """A leased check. `entry` is the id of the job whose prompt is checked, or of the render whose picture is.

    `index`, `picture` and `seed` are None for a prompt. `attempt` counts from 1 and includes attempts whose worker
    died.

    `used` is what the picture adds to the usage of its tenant; None if that is unknown. `drawings` are the earlier
    drawings of a picture that is drawn again.
    """

    entry: str
    job_id: JobId
    spec: JobSpec
    attempt: int
    holder: HolderId
    revised_prompt: str | None = None
    index: int | None = None
    picture: Picture | None = None
    seed: int | None = None
    used: Used | None = None
    drawings: Drawings = field(default_factory=Drawings)
    origin: Origin | None = field(default=None, compare=False)

    @property
    def log_ids(self) -> Mapping[str, str | int]:
        """The fields that identify this check in log lines."""
        about = {"render_id": self.entry} if self.picture else {}
        return log_ids(self.origin, job_id=self.job_id, **about)


class _Leasing:
    """Leases checks of one kind, `checks` or `texts`. If a lease expires, its check is due again. Only the current
    holder of the lease may write.
    """

    _kind: str

    def __init__(self, client: Client, lease_ttl_s: float, worker: WorkerId | None = None) -> None:
        """Creates a client of the store for one worker. `worker` is the id of the worker process.

        The holder id of every lease contains this id, so all leases of the process can be freed when it ends.
        """
        self._worker = worker
        self._scripts = Scripts(client)
        self._faults = FaultCounts(client)
        self._lease_ttl_ms = int(lease_ttl_s * 1000)

    def claim(self) -> CheckClaim | None:
        """Leases the first check that is due. Returns None when no check is due."""
        holder = new_holder_id(self._worker)
        while answer := self._scripts.run("claim_check", holder, self._lease_ttl_ms, self._kind):
            entry = str(answer[0])
            if found := readable(self._faults, "check", [(entry, (answer, holder))], _claim_of):
                return found[0]
            self._give_up(entry, holder)
        return None

    def _give_up(self, entry: str, holder: HolderId) -> None:
        """Fails the job or the render of a check whose record can't be read. If even that is impossible with the broken
        record, sets the check aside (takes it out of its queue).
        """
        why = "the record of this job can't be read"
        error = {"code": "record_unreadable", "message": why, "retryable": False}
        try:
            self._scripts.run("finish_check", entry, holder, Outcome.FAILED, json.dumps(error))
        except ResponseError:
            self._scripts.run("set_aside", "checks", entry, "checks", why, "")


class CheckStore(_Leasing):
    """Leases content checks and stores their outcomes.

    Every method raises `StoreUnavailable` when the store does not answer.
    """

    _kind = "checks"

    def allow(self, claim: CheckClaim) -> bool:
        """Lets the job go on to its first stage, or publishes the picture: its render has succeeded.

        Returns False, and changes nothing, when the lease was lost or the job ended meanwhile.
        """
        return self._finish(claim, Outcome.ALLOWED, None)

    def reject(self, claim: CheckClaim, error: Mapping[str, object]) -> bool:
        """Ends the job, or the render, as `rejected`. `error` is for clients. Nobody can read a rejected picture, and
        upkeep deletes it. Returns False, and changes nothing, when the lease was lost or the job ended meanwhile.
        """
        return self._finish(claim, Outcome.REJECTED, error)

    def fail(self, claim: CheckClaim, error: Mapping[str, object]) -> bool:
        """Fails the job, or the render, because there was no verdict. A retry of the job checks it again.

        Returns False, and changes nothing, when the lease was lost or the job ended meanwhile.
        """
        return self._finish(claim, Outcome.FAILED, error)

    def _finish(self, claim: CheckClaim, outcome: Outcome, error: Mapping[str, object] | None) -> bool:
        text = json.dumps(error) if error else ""
        return bool(self._scripts.run("finish_check", claim.entry, claim.holder, outcome, text) != "lost")


class TextCheckStore(_Leasing):
    """Leases text checks and stores their outcomes.

    Every method raises `StoreUnavailable` when the store does not answer. Every write returns False, and changes
    nothing, when the lease was lost or the render ended meanwhile.
    """

    _kind = "texts"

    def redraw(self, claim: CheckClaim, redraw: Redraw) -> bool:
        """Puts the render back into the queue of AR, with another seed."""
        return self._finish(claim, "redraw", redraw.drawings, redraw.seed, discarded=redraw.discarded)

    def keep(self, claim: CheckClaim, keep: Keep, *, to_check: bool) -> bool:
        """Keeps a drawing: its render has succeeded. With `to_check` a content check of the picture comes before."""
        outcome, drawings, kept = "check" if to_check else "keep", Drawings(result=keep.result), keep.drawing
        return self._finish(
            claim, outcome, drawings, kept.seed, picture=kept.picture, used=keep.used, discarded=keep.discarded
        )

    def _finish(
        self,
        claim: CheckClaim,
        outcome: str,
        drawings: Drawings,
        seed: int,
        *,
        picture: Picture | None = None,
        used: Used | None = None,
        discarded: Picture | None = None,
    ) -> bool:
        kept, gone = (codec.encode_picture(each) if each else "" for each in (picture, discarded))
        usage = used.as_text() if used else ""
        held = (claim.entry, claim.holder, outcome)
        return bool(self._scripts.run("finish_text", *held, drawings.as_text(), seed, kept, usage, gone) != "lost")


def _claim_of(entry: str, leased: tuple[Sequence[str], HolderId]) -> CheckClaim:
    (_, attempt, job_id, spec, revised_prompt, origin, index, picture, seed, used, drawings), holder = leased
    return CheckClaim(
        entry,
        JobId(job_id),
        JobSpec.model_validate_json(spec),
        int(attempt),
        holder,
        revised_prompt or None,
        int(index) if picture else None,
        codec.decode_picture(picture) if picture else None,
        int(seed) if seed else None,
        Used.parse(used) if used else None,
        Drawings.parse(drawings),
        Origin.parse(origin),
    )
