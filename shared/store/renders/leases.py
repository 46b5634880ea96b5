"""The operations of a stage's worker: claim renders, renew leases, and write results under them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import cast

from redis import ResponseError

from shared.errors import LeaseLost
from shared.hints.message import HintMessage
from shared.hints.queues import Queue, celery_list
from shared.ids import Fence, HolderId, ObjectKey, RenderId, Revision, WorkerId, new_holder_id
from shared.jobs.job import Picture
from shared.jobs.leases import Claim, Handover, Held, Lease, Place
from shared.jobs.states import RenderState, Stage
from shared.jobs.token_grid import Prior
from shared.schedule.worker_health import Signs
from shared.store.core.connect import Client
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.record_lists import readable
from shared.store.core.scripts import Scripts
from shared.store.jobs import codec

_WELL = Signs()
_ANY = Place()


class Verdict(StrEnum):
    """The state of a lease that a heartbeat returns."""

    RENEWED = "renewed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Announcement:
    """A live worker: its queue, its number of slots, and the model revision that it serves ('' for delivery)."""

    worker_id: WorkerId
    queue: Queue
    slots: int
    revision: Revision


@dataclass(frozen=True, slots=True)
class LeaseRules:
    """Time limits of leases, and limits of claims. AR claims stop while `prior_ready_limit_min` or more renders wait
    for the DiT.

    `batch_floor` is the share of cost that a lower class gets while a higher one waits; below 1.
    """

    ttl_s: float
    prior_ready_limit_min: int
    batch_floor: float = 0.1

    @property
    def ttl_ms(self) -> int:
        return int(self.ttl_s * 1000)


class LeaseStore:
    """Leases in the store. Every write is one script that refuses unless the lease is current."""

    def __init__(self, client: Client, rules: LeaseRules, hints: Sequence[HintMessage] = ()) -> None:
        """`hints` are sent with every render that leaves the stage for good, while their queues are short of hints."""
        self._scripts = Scripts(client)
        self._faults = FaultCounts(client)
        self._rules = rules
        self._hints = [text for hint in hints for text in (hint.queue, celery_list(hint.queue), hint.text)]

    def claim(self, stage: Stage, revision: Revision, worker: WorkerId, place: Place = _ANY) -> Claim | None:
        """Leases the best waiting render of this model revision to `worker`. Returns None when there is none for the
        place, or when another worker could begin it sooner.
        """
        while answer := self._lease(stage, revision, worker, holder := new_holder_id(), place):
            decode = partial(_claim_of, stage=stage, holder=holder, revision=revision)
            if found := readable(self._faults, "claim", [(RenderId(answer[0]), answer)], decode):
                return found[0]
            self._give_up(Lease(RenderId(answer[0]), stage, Fence(int(answer[1])), holder), worker)
        return None

    def _lease(self, stage: Stage, revision: Revision, worker: WorkerId, holder: HolderId, place: Place) -> list[str]:
        rules = self._rules
        limits = (rules.prior_ready_limit_min, worker, repr(rules.batch_floor), place.room, place.least)
        hints = self._hints_of(stage)
        return cast("list[str]", self._scripts.run("claim", stage, holder, rules.ttl_ms, revision, *limits, *hints))

    def _hints_of(self, stage: Stage) -> Sequence[str]:
        """What else waits is for another worker that is open for it."""
        starts = range(0, len(self._hints), 3)
        return [part for at in starts if self._hints[at] == stage for part in self._hints[at : at + 3]]

    def _give_up(self, lease: Lease, worker: WorkerId) -> None:
        """Fails a leased render that can't be read; puts it aside if its records are too broken even for that."""
        why = "what the job store has of this picture can't be read"
        error = {"code": "record_unreadable", "message": why, "stage": lease.stage, "retryable": False}
        try:
            self.fail(lease, error)
        except LeaseLost:
            return  # it was cancelled, or its time is over
        except ResponseError:
            self._scripts.run("set_aside", "leases", lease.render_id, lease.stage, why, worker)

    def beat(
        self, worker: Announcement, held: Sequence[Held], log_lines: Sequence[str] = (), signs: Signs = _WELL
    ) -> Mapping[RenderId, Verdict]:
        """Announces the worker, renews its leases and records progress. Returns one verdict per render.

        The last of `log_lines` are kept for a while under the worker's id, as evidence should it crash.
        """
        ttl = self._rules.ttl_ms
        header = (worker.queue, worker.worker_id, worker.slots, worker.revision, ttl, ttl, codec.encode_log(log_lines))
        counts = [int(signs.silent_s * 1000), signs.num_found, signs.num_restarts, signs.num_faults]
        told = json.dumps([*counts, int(signs.is_draining)])
        flat = [value for each in held for value in codec.held_fields(each)]
        verdicts = self._scripts.run("beat", *header, told, *flat)
        return {each.lease.render_id: Verdict(verdict) for each, verdict in zip(held, verdicts, strict=True)}

    def leave(self, worker: Announcement) -> None:
        """Removes the announcement, so that a drained worker's slots stop counting at once."""
        self._scripts.run("leave", worker.queue, worker.worker_id)

    def finish_prior(self, lease: Lease, prior: Prior) -> None:
        """Stores the token grid: `prior_running -> prior_ready`. Raises `LeaseLost`."""
        self._advance(lease, RenderState.PRIOR_READY, prior=codec.encode_prior(prior))

    def finish_picture(self, lease: Lease, picture: Picture) -> bool:
        """`decode_running -> succeeded`. Returns whether this ended the job. Raises `LeaseLost`."""
        return self._advance(lease, RenderState.SUCCEEDED, picture=codec.encode_picture(picture))

    def fail(self, lease: Lease, error: Mapping[str, object]) -> bool:
        """Fails the render with an error for clients. Returns whether this ended the job. Raises `LeaseLost`."""
        return self._advance(lease, RenderState.FAILED, error=json.dumps(error))

    def hand_back(self, lease: Lease, handover: Handover | None = None) -> None:
        """Returns the render to the state in which it waited, without counting the attempt. Raises `LeaseLost`.

        `handover` leads its next worker to the latents that this one has stored.
        """
        fields = codec.handover_fields(handover) if handover else {}
        self._advance(lease, lease.stage.waiting, refund=True, **fields)

    def keep_handover(self, key: ObjectKey, kept_s: float) -> None:
        """Names an object before it is stored for a hand-over: upkeep deletes it after `kept_s`, or when its render
        ends.
        """
        self._scripts.run("keep_handover", key, int(kept_s * 1000))

    def publish_event(self, lease: Lease, event_type: str, data: Mapping[str, object]) -> None:
        """Appends an event about the leased render to its job's stream. Raises `LeaseLost`."""
        held = (lease.render_id, lease.stage, lease.fence, lease.holder)
        if not self._scripts.run("publish", *held, event_type, json.dumps(data)):
            raise LeaseLost(f"{lease.render_id} is no longer held by {lease.holder} at fence {lease.fence}")

    def _advance(self, lease: Lease, to: RenderState, *, refund: bool = False, **fields: str) -> bool:
        flat = [value for pair in fields.items() for value in pair]
        held = (lease.render_id, lease.stage, lease.fence, lease.holder)
        hints = [] if refund else self._hints  # what went back waits for upkeep: to try again at once would be too soon
        verdict = self._scripts.run("advance", *held, to, int(refund), len(hints) // 3, *hints, *flat)
        if verdict == "lost":
            raise LeaseLost(f"{lease.render_id} is no longer held by {lease.holder} at fence {lease.fence}")
        return bool(verdict == "ended")


def _claim_of(_: RenderId, answer: Sequence[str], *, stage: Stage, holder: HolderId, revision: Revision) -> Claim:
    return codec.claim_of(answer, stage, holder, revision)
