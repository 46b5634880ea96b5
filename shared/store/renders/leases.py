"""Lets AR and DiT workers claim renders, extend their leases, and write results under their leases."""

import json
import time
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
from shared.jobs.leases import Claim, Handover, Lease, RenderReport, Vacancy
from shared.jobs.states import RenderState, Stage
from shared.jobs.token_grid import Prior
from shared.jobs.usage import Used
from shared.schedule.sizes import ANY_SIZE, Sizes
from shared.schedule.worker_health import WorkerHealth
from shared.store.core.connect import Client
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.record_lists import readable
from shared.store.core.scripts import Scripts
from shared.store.jobs import codec

_WELL = WorkerHealth()
_DUE = "due"  # what heartbeat.lua says about a render that has reached its time limit, and claim.lua if any has
_MOST_EXPIRED = 100  # renders for each call, which then takes a few milliseconds
_ANY = Vacancy()
_DRAIN = "drain"  # what heartbeat.lua adds for a worker that an operator drains
_UNKNOWN = ["unknown"]  # what heartbeat.lua returns for a short heartbeat of a worker that the store does not know
_ALL_EVERY_S = 10.0
_SHORT_SILENCE_S = 5.0
_LOG_EVERY_S = 1800.0  # the store keeps a log for two hours


class Verdict(StrEnum):
    """The state of a render's lease, which the worker learns from its heartbeat."""

    RENEWED = "renewed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Announcement:
    """The announcement of a live worker: its queue, its number of slots (renders that fit at once), the model revision
    that it serves, and the name of this model. The last two are '' for a worker that serves no model. `sizes` are the
    sizes of renders that fit into its memory.
    """

    worker_id: WorkerId
    queue: Queue
    slots: int
    revision: Revision
    model: str = ""
    sizes: Sizes = ANY_SIZE


@dataclass(frozen=True, slots=True)
class LeaseRules:
    """Settings of leases. `ttl_s` is the length of a lease in seconds.

    `prior_ready_limit_min` is the lowest limit of renders that AR finishes ahead of the DiT. The actual limit grows
    with the number of DiT slots. While as many renders wait for the DiT as the limit permits, AR workers claim only
    renders of tenants that have few of them.

    `batch_floor` is the share of the served cost that a lower class gets while a higher class waits too. It is below 1.
    """

    ttl_s: float
    prior_ready_limit_min: int
    batch_floor: float = 0.1

    @property
    def ttl_ms(self) -> int:
        return int(self.ttl_s * 1000)


@dataclass(slots=True)
class _Said:
    """What a worker said in earlier heartbeats, and when (s)."""

    facts: tuple[str | float, ...] | None = None
    facts_at: float = 0.0
    log: str = ""
    log_at: float = 0.0


class LeaseStore:
    """Leases renders to workers, and stores what workers report under their leases.

    Every write is one script. The script changes nothing unless the caller's lease is still the render's current lease.
    """

    def __init__(self, client: Client, rules: LeaseRules, hints: Sequence[HintMessage] = ()) -> None:
        """Creates a client of the store. `hints` are Celery messages that wake workers.

        When a worker has finished a render's stage or failed the render, the client sends hints to those queues of
        `hints` that have too few.
        """
        self._scripts = Scripts(client)
        self._faults = FaultCounts(client)
        self._rules = rules
        self._said: dict[WorkerId, _Said] = {}
        self._drained: set[WorkerId] = set()
        self._hints = [text for hint in hints for text in (hint.queue, celery_list(hint.queue), hint.text)]

    def claim(
        self,
        stage: Stage,
        revision: Revision,
        worker: WorkerId,
        place: Vacancy = _ANY,
        sizes: Sizes = ANY_SIZE,
    ) -> Claim | None:
        """Leases the first waiting render of this model revision and these sizes to `worker`, and returns the claim.

        `place` says which free place of the worker the render would take, and whether the worker can begin it at once.
        Returns None when no waiting render may take that place, or when another worker could begin the render sooner.
        """
        limits = (self._rules.prior_ready_limit_min, worker, repr(self._rules.batch_floor), place.room, place.least)
        while answer := self._lease(stage, revision, holder := new_holder_id(), (*limits, sizes.text)):
            decode = partial(_claim_of, stage=stage, holder=holder, revision=revision)
            if found := readable(self._faults, "claim", [(RenderId(answer[0]), answer)], decode):
                return found[0]
            self._give_up(Lease(RenderId(answer[0]), stage, Fence(int(answer[1])), holder), worker)
        return None

    def _lease(self, stage: Stage, revision: Revision, holder: HolderId, limits: Sequence[str | int]) -> list[str]:
        ttl_ms, hints = self._rules.ttl_ms, self._hints_of(stage)
        while (answer := self._scripts.run("claim", stage, holder, ttl_ms, revision, *limits, *hints)) == [_DUE]:
            self._scripts.run("expire", _MOST_EXPIRED)
        return cast("list[str]", answer)

    def _hints_of(self, stage: Stage) -> Sequence[str]:
        """Returns hints for the queue of the stage in which a worker claims. The claim sends them, so that other
        workers wake for the renders that still wait.
        """
        starts = range(0, len(self._hints), 3)
        return [part for at in starts if self._hints[at] == stage for part in self._hints[at : at + 3]]

    def _hints_after(self, to: RenderState) -> Sequence[str]:
        """Returns hints for the queues that may have more work once a render is in the state `to`.

        While a job goes on, it has no manifest or message to deliver.
        """
        starts = range(0, len(self._hints), 3)
        wanted = [at for at in starts if to.is_final or self._hints[at] != Queue.DELIVERY]
        return [part for at in wanted for part in self._hints[at : at + 3]]

    def _give_up(self, lease: Lease, worker: WorkerId) -> None:
        """Fails a leased render whose record can't be read. If even that is impossible with the broken records, sets
        the render aside (takes it out of its queue).
        """
        why = "the record of this picture can't be read"
        error = {"code": "record_unreadable", "message": why, "stage": lease.stage, "retryable": False}
        try:
            self.fail(lease, error)
        except LeaseLost:
            return  # the render was cancelled or has expired
        except ResponseError:
            self._scripts.run("set_aside", "leases", lease.render_id, lease.stage, why, worker)

    def beat(
        self,
        worker: Announcement,
        held: Sequence[RenderReport],
        log_lines: Sequence[str] = (),
        signs: WorkerHealth = _WELL,
    ) -> Mapping[RenderId, Verdict]:
        """Processes a worker's heartbeat: announces the worker, extends its leases and records the progress of its
        renders. Returns the state of each lease.

        The last of `log_lines` are stored for an hour or longer under the worker's id. If the worker crashes, they are
        crash evidence. The log and the facts about the worker are sent only if they changed, and again from time to
        time.
        """
        flat = [value for each in held for value in codec.heartbeat_args(each)]
        while _DUE in (verdicts := self._beat(worker, codec.encode_log(log_lines), _values_of(signs), flat)):
            self._scripts.run("expire", _MOST_EXPIRED)
        return {each.lease.render_id: Verdict(verdict) for each, verdict in zip(held, verdicts, strict=True)}

    def _beat(
        self, worker: Announcement, log: str, signs: Sequence[str | float], flat: Sequence[str | int]
    ) -> list[str]:
        """Sends a heartbeat, without what the store knows. Until the store has answered, it may not know it.

        The mean time of a step, the last of `signs`, changes with each render: it is sent only with other news.
        """
        ttl, now_s = self._rules.ttl_ms, time.monotonic()
        said = self._said.pop(worker.worker_id, _Said())
        facts = (worker.slots, worker.revision, worker.sizes.text, *signs[:-1])
        is_short = facts == said.facts and now_s - said.facts_at < _ALL_EVERY_S
        if not is_short:
            said.facts, said.facts_at = facts, now_s
        if log != said.log or now_s - said.log_at >= _LOG_EVERY_S:
            said.log, said.log_at = log, now_s
        else:
            log = ""
        slots, revision, health = ("", "", "") if is_short else (worker.slots, worker.revision, json.dumps(signs))
        model, sizes = ("", "") if is_short else (worker.model, worker.sizes.text)
        header = (worker.queue, worker.worker_id, slots, revision, ttl, ttl, log, health, model, sizes)
        verdicts = cast("list[str]", self._scripts.run("heartbeat", *header, *flat))
        if verdicts == _UNKNOWN:
            return self._beat(worker, said.log, signs, flat)
        self._said[worker.worker_id] = said
        self._drained -= {worker.worker_id}
        if verdicts[-1:] == [_DRAIN]:
            self._drained.add(worker.worker_id)
            return verdicts[:-1]
        return verdicts

    def is_drained(self, worker: WorkerId) -> bool:
        """Returns whether an operator drains the worker, as its last heartbeat has learned."""
        return worker in self._drained

    def leave(self, worker: Announcement) -> None:
        """Removes the announcement of a worker that has drained. Without it the worker's slots no longer count as slots
        of live workers.
        """
        self._said.pop(worker.worker_id, None)
        self._scripts.run("leave", worker.queue, worker.worker_id)

    def finish_prior(
        self, lease: Lease, prior: Prior, engine: Mapping[str, str] | None = None, device_s: float = 0.0
    ) -> None:
        """Stores the token grid of a render, whose state changes from `prior_running` to `prior_ready`. `engine`
        describes the software and the device that computed the grid, and `device_s` is the time of the device in
        seconds. Raises `LeaseLost`.
        """
        facts = {"prior_engine": json.dumps(engine)} if engine else {}
        if device_s:
            facts["ar_device_ms"] = str(round(device_s * 1000))
        self._advance(lease, RenderState.PRIOR_READY, refund=False, usage="", prior=codec.encode_prior(prior), **facts)

    def finish_picture(
        self, lease: Lease, picture: Picture, used: Used | None = None, *, to_check: bool = False
    ) -> bool:
        """Stores the picture of a render, whose state changes from `decode_running` to `succeeded`. The same script
        adds `used` to the usage of the tenant.

        With `to_check` the state becomes `checking`. Nobody can read the picture, and it counts in no usage, until a
        content check allows it. Returns whether this ended the job. Raises `LeaseLost`.
        """
        usage, kept = used.as_text() if used else "", codec.encode_picture(picture)
        if to_check:
            return self._advance(lease, RenderState.CHECKING, unchecked=kept, unchecked_usage=usage)
        return self._advance(lease, RenderState.SUCCEEDED, usage=usage, picture=kept, stored=str(picture.num_bytes))

    def finish_reused(self, lease: Lease, picture: Picture, used: Used, source: RenderId) -> bool:
        """Stores a copied picture of a render, whose state changes from `prior_running` to `succeeded`.

        `source` is the render whose picture was copied. Its tenant gets back the cost of the claim. Returns whether
        this ended the job. Raises `LeaseLost`.
        """
        fields = {"picture": codec.encode_picture(picture), "stored": str(picture.num_bytes), "reused_from": source}
        return self._advance(lease, RenderState.SUCCEEDED, refund=False, usage=used.as_text(), **fields)

    def fail(self, lease: Lease, error: Mapping[str, object]) -> bool:
        """Fails a render. `error` is for clients. Returns whether this ended the job. Raises `LeaseLost`."""
        return self._advance(lease, RenderState.FAILED, error=json.dumps(error))

    def hand_back(self, lease: Lease, handover: Handover | None = None) -> None:
        """Gives up a leased render, which then waits for its stage again. The attempt does not count. Raises
        `LeaseLost`.

        `handover` names the object in which this worker has saved the latents. The render's next worker continues from
        there.
        """
        fields = codec.handover_fields(handover) if handover else {}
        self._advance(lease, lease.stage.waiting, refund=True, **fields)

    def keep_handover(self, key: ObjectKey, kept_s: float) -> None:
        """Records the key of an object before a worker saves latents in this object. Upkeep deletes the object after
        `kept_s`, or when its render ends.
        """
        self._scripts.run("keep_handover", key, int(kept_s * 1000))

    def publish_event(self, lease: Lease, event_type: str, data: Mapping[str, object]) -> None:
        """Appends an event about a leased render to the event stream of the render's job. Raises `LeaseLost`."""
        held = (lease.render_id, lease.stage, lease.fence, lease.holder)
        if not self._scripts.run("publish_event", *held, event_type, json.dumps(data)):
            raise LeaseLost(f"{lease.render_id} is no longer held by {lease.holder} at fence {lease.fence}")

    def _advance(self, lease: Lease, to: RenderState, *, refund: bool = False, usage: str = "", **fields: str) -> bool:
        flat = [value for pair in fields.items() for value in pair]
        held = (lease.render_id, lease.stage, lease.fence, lease.holder)
        # a render that was handed back waits for upkeep's next hint: an immediate retry would be too soon
        hints = [] if refund else self._hints_after(to)
        verdict = self._scripts.run("advance", *held, to, int(refund), usage, len(hints) // 3, *hints, *flat)
        if verdict == "lost":
            raise LeaseLost(f"{lease.render_id} is no longer held by {lease.holder} at fence {lease.fence}")
        return bool(verdict == "ended")


def _values_of(signs: WorkerHealth) -> Sequence[str | float]:
    # a healthy worker is silent for up to a second between two polls, and that is no news
    silent_s = signs.silent_s if signs.silent_s >= _SHORT_SILENCE_S else 0
    counts = [int(silent_s * 1000), signs.num_found, signs.num_restarts, signs.num_faults]
    return [*counts, int(signs.is_draining), *signs.machine.fields]


def _claim_of(_: RenderId, answer: Sequence[str], *, stage: Stage, holder: HolderId, revision: Revision) -> Claim:
    return codec.claim_of(answer, stage, holder, revision)
