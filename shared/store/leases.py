"""What a stage's worker may do: claim renders, renew its leases, and write under them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.errors import LeaseLost
from shared.ids import RenderId, Revision, WorkerId, new_holder_id
from shared.jobs import Claim, Lease, Picture, Progress
from shared.queues import Queue
from shared.states import RenderState, Stage
from shared.store import codec
from shared.store.connect import Client
from shared.store.scripts import Scripts
from shared.token_grid import Prior


class Verdict(StrEnum):
    """What a heartbeat learns about one render."""

    RENEWED = "renewed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Announcement:
    """A live worker: its queue, how much it takes at once, and the model revision it serves ('' for delivery)."""

    worker_id: WorkerId
    queue: Queue
    slots: int
    revision: Revision


@dataclass(frozen=True, slots=True)
class LeaseRules:
    """Times and limits of leases. AR claims stop while `prior_ready_limit_min` or more renders wait for the DiT."""

    ttl_s: float
    prior_ready_limit_min: int

    @property
    def ttl_ms(self) -> int:
        return int(self.ttl_s * 1000)


class LeaseStore:
    """Every write is one script that refuses unless the lease is the current one."""

    def __init__(self, client: Client, rules: LeaseRules) -> None:
        self._scripts = Scripts(client)
        self._rules = rules

    def claim(self, stage: Stage, revision: Revision) -> Claim | None:
        """Leases the best waiting render of this model revision, or finds nothing."""
        holder = new_holder_id()
        limit = self._rules.prior_ready_limit_min
        answer = self._scripts.run("claim", stage, holder, self._rules.ttl_ms, revision, limit)
        return codec.claim_of(answer, stage, holder, revision) if answer else None

    def beat(self, worker: Announcement, held: Sequence[tuple[Lease, Progress]]) -> Mapping[RenderId, Verdict]:
        """Announces the worker, renews its leases and records progress; one verdict per render."""
        ttl = self._rules.ttl_ms
        flat = [
            value
            for lease, progress in held
            for value in (lease.render_id, lease.fence, lease.holder, progress.done, progress.total)
        ]
        header = (worker.queue, worker.worker_id, worker.slots, worker.revision, ttl, ttl)
        verdicts = self._scripts.run("beat", *header, *flat)
        return {lease.render_id: Verdict(verdict) for (lease, _), verdict in zip(held, verdicts, strict=True)}

    def leave(self, worker: Announcement) -> None:
        """Takes the announcement back: a drained worker's slots stop counting at once."""
        self._scripts.run("leave", worker.queue, worker.worker_id)

    def finish_prior(self, lease: Lease, prior: Prior) -> None:
        """`prior_running -> prior_ready`, the token grid with it. Raises `LeaseLost`."""
        self._advance(lease, RenderState.PRIOR_READY, prior=codec.encode_prior(prior))

    def finish_picture(self, lease: Lease, picture: Picture) -> bool:
        """`decode_running -> succeeded`. Returns whether this ended the job. Raises `LeaseLost`."""
        return self._advance(lease, RenderState.SUCCEEDED, picture=codec.encode_picture(picture))

    def fail(self, lease: Lease, error: Mapping[str, object]) -> bool:
        """To `failed`, with the error that clients read. Returns whether this ended the job. Raises `LeaseLost`."""
        return self._advance(lease, RenderState.FAILED, error=json.dumps(error))

    def hand_back(self, lease: Lease) -> None:
        """Back to the state in which the render waited; the attempt does not count. Raises `LeaseLost`."""
        self._advance(lease, lease.stage.waiting, refund=True)

    def _advance(self, lease: Lease, to: RenderState, *, refund: bool = False, **fields: str) -> bool:
        flat = [value for pair in fields.items() for value in pair]
        held = (lease.render_id, lease.stage, lease.fence, lease.holder)
        verdict = self._scripts.run("advance", *held, to, int(refund), *flat)
        if verdict == "lost":
            raise LeaseLost(f"{lease.render_id} is no longer held by {lease.holder} at fence {lease.fence}")
        return bool(verdict == "ended")
