"""Reads the place of a job in the queue, the load of the stages, and the health of the workers. Each takes one call to
the store.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from shared.hints.queues import Queue
from shared.ids import JobId, Revision
from shared.jobs.job import Job
from shared.jobs.spec import Priority
from shared.jobs.states import Stage
from shared.schedule.cost import cost_of
from shared.schedule.throughput import (
    NO_OUTLOOK,
    Ahead,
    HeldRender,
    OpenWork,
    Outlook,
    QueuePlace,
    StageLoad,
    Strength,
    outlook,
)
from shared.schedule.worker_health import QueueHealth
from shared.store.core.connect import Client, translated
from shared.store.core.scripts import Scripts

_DEAF_AFTER_S = 15.0  # a silent consumer restarts after 10 s, and then it receives a message within 1 s


class ThroughputStore:
    """Reads the places of jobs in the queue, the load of the stages and the health of workers.

    Every method raises `StoreUnavailable` when the store does not answer.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def outlook(self, job: Job) -> Outlook:
        """Returns the place of a job's renders in the queue, and the time at which the job is expected to end.

        Returns `NO_OUTLOOK` for a job that has ended.
        """
        found = None if job.status.is_final else self._found(job.job_id)
        if found is None:
            return NO_OUTLOOK
        return outlook(_ahead(found), cost_of(job.spec.settings), capacities_of(found, job.spec.priority))

    def place(self, job: Job) -> QueuePlace | None:
        """Returns the place of a job's waiting renders in the queue: how many renders come before them, and when the
        last of them is expected to be finished. Returns None when no render of the job waits.
        """
        return self.outlook(job).queue

    def loads(self) -> Mapping[Stage, StageLoad]:
        """Returns the load of the stages AR and DiT: their waiting work, their running renders and their workers."""
        found = json.loads(self._scripts.run("stats"))
        strengths = _strengths(found)
        return {stage: _load(found[stage], strengths[stage]) for stage in Stage}

    def signs(self) -> Mapping[Queue, QueueHealth]:
        """Returns the health of the live workers of each queue, as sums of the values in their heartbeats."""
        sums = self._scripts.run("signs", int(_DEAF_AFTER_S * 1000), *Queue)
        return {queue: QueueHealth(*found) for queue, found in zip(Queue, sums, strict=True)}

    def newest_revision(self) -> Revision | None:
        """Returns the model revision of the AR worker that sent the last heartbeat, or None if there never was one."""
        with translated():
            found = cast("str | None", self._client.get("gridpress:revision"))
        return Revision(found) if found else None

    def _found(self, job_id: JobId) -> dict[str, Any] | None:
        """Returns what queue_position.lua computes about a job: the work before the end of the job. Returns None when
        the job has ended meanwhile.
        """
        answer = self._scripts.run("queue_position", job_id)
        found: dict[str, Any] | None = json.loads(answer) if answer else None
        return found


def _ahead(found: Mapping[str, Any]) -> Ahead:
    return Ahead(
        stage=Stage(found["stage"]),
        position=found["position"],
        is_waiting=found["is_waiting"],
        ar=found["ar_ahead"],
        num_ar=found["num_ar"],
        dit=found["dit_ahead"],
        num_dit=found["num_dit"],
        dit_later=found["dit_later"],
        held={stage: [_held(each) for each in found[stage]["held"]] for stage in Stage},
    )


def _held(fields: Sequence[Any]) -> HeldRender:
    server, cost, used_ms, later_cost, is_own = fields
    return HeldRender(server, cost, used_ms / 1000, later_cost, is_own)


def _strengths(found: Mapping[str, Any]) -> Mapping[Stage, Strength]:
    return {stage: _strength(stage, found[stage]) for stage in Stage}


def _strength(stage: Stage, fields: Mapping[str, Any]) -> Strength:
    seconds, cost, num = float(fields["ms"]) / 1000, float(fields["cost"]), float(fields["n"])
    full_cost = float(fields["full_cost"])
    return Strength(
        stage=stage,
        workers=fields["workers"],
        slots=fields["slots"],
        running=fields["running"],
        seconds_per_cost=seconds / cost if cost else None,
        full_seconds_per_cost=float(fields["full_ms"]) / 1000 / full_cost if full_cost else None,
        render_s=seconds / num if num else None,
    )


def _load(fields: Mapping[str, Any], strength: Strength) -> StageLoad:
    # cjson encodes an empty table as an object or as an array.
    unserved = dict(fields["unserved"] or {})
    open_work = OpenWork(**fields["open"])
    return StageLoad(
        strength=strength,
        unserved=unserved,
        open=open_work,
        **{
            name: fields[name]
            for name in ("waiting", "waiting_cost", "coming_cost", "orphans", "last_slots", "ahead", "is_stalled")
        },
    )


def capacities_of(found: Mapping[str, Any], priority: Priority) -> Mapping[Stage, Strength]:
    """Returns the capacity of the stages AR and DiT for renders of a class, from the result of a script that uses
    throughput.lua. The capacity is the live workers, their slots and their measured throughput.
    """
    return {stage: strength.for_class(priority) for stage, strength in _strengths(found).items()}
