"""Reads the place of a job in the queue, the load of the stages, and the health of the workers. Each takes one call to
the store.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from shared.hints.queues import Queue
from shared.ids import JobId, Revision
from shared.jobs.job import Job
from shared.jobs.spec import Priority
from shared.jobs.states import Stage
from shared.schedule.cost import cost_of
from shared.schedule.sizes import Sizes, size_named, union, why_too_large
from shared.schedule.throughput import (
    NO_OUTLOOK,
    OpenWork,
    Outlook,
    QueueLoad,
    QueuePlace,
    StageLoad,
    Strength,
    outlook,
)
from shared.schedule.worker_health import QueueHealth
from shared.store.core.connect import Client, translated
from shared.store.core.scripts import Scripts
from shared.store.queues.overview import JobInQueue, Overview, overview_of
from shared.store.queues.sharing import SharedRead

_MOST_SHARED = 1_000  # waiting renders and workers. With fewer, the load and the health are always read anew
_DEAF_AFTER_S = 15.0  # a silent consumer restarts after 10 s, and then it receives a message within 1 s


class ThroughputStore:
    """Reads the places of jobs in the queue, the load of the stages and the health of workers.

    Every method raises `StoreUnavailable` when the store does not answer.
    """

    def __init__(self, client: Client, reuse_s: float = 0.0) -> None:
        """Creates a client of the store. With many tenants or workers, all callers share what was read, for `reuse_s`
        seconds. So a thousand clients that poll cost the store one look at all of them.
        """
        self._client = client
        self._scripts = Scripts(client)
        self._overview = SharedRead[Overview](reuse_s, lambda overview: overview.is_large)
        self._reuse_s = reuse_s
        self._loads: dict[Sequence[str], SharedRead[Mapping[Stage, StageLoad]]] = {}
        self._signs = SharedRead[Mapping[Queue, QueueHealth]](reuse_s, _are_many)

    def outlook(self, job: Job) -> Outlook:
        """Returns the place of a job's renders in the queue, and the time at which the job is expected to end.

        Returns `NO_OUTLOOK` for a job that has ended. The renders of other tenants are those of `reuse_s` ago at most.
        The job and its tenant's renders are those of now.
        """
        if job.status.is_final:
            return NO_OUTLOOK
        text, overview = self._look(job.job_id)
        if not text:
            return NO_OUTLOOK
        found = JobInQueue(job.job_id, text)
        strengths = capacities_of(overview.capacities(found.revision, found.size), job.spec.priority)
        looked = outlook(found.ahead(overview), cost_of(job.spec.settings), strengths)
        if looked.queue and (reason := _why_too_large(job, looked.queue, found.revision, overview)):
            looked = replace(looked, queue=replace(looked.queue, reason=reason))
        if (pause := found.pause) is None:
            return looked
        return Outlook(None, replace(looked.queue, eta_s=None) if looked.queue else None, pause)

    def _look(self, job_id: JobId) -> tuple[str, Overview]:
        """Returns what queue_position.lua says about a job ('' if the job has ended), and the overview. If a new
        overview is needed, one call returns both.
        """
        texts: list[str] = []

        def read() -> Overview:
            texts.extend(self._scripts.run("queue_position", job_id, "1"))
            return overview_of(texts[1])

        overview = self._overview.get(read)
        return (texts or self._scripts.run("queue_position", job_id, ""))[0], overview

    def place(self, job: Job) -> QueuePlace | None:
        """Returns the place of a job's waiting renders in the queue: how many renders come before them, and when the
        last of them is expected to be finished. Returns None when no render of the job waits.
        """
        return self.outlook(job).queue

    def loads(self, names: Sequence[str] = ()) -> Mapping[Stage, StageLoad]:
        """Returns the load of the stages AR and DiT: their waiting work, their running renders and their workers.

        With `names`, only the model with these names counts (`Catalogue.names_of`). While none of its workers lives,
        its open work is what its first worker could start. The throughput, `last_slots` and `is_stalled` are those of
        the whole stage. Each sequence of names is kept for ever, so pass only those of models that the service knows.
        """
        names = tuple(names)
        shared = self._loads.setdefault(names, SharedRead(self._reuse_s, _are_large))
        return shared.get(lambda: self._read_loads(names))

    def loads_of(self, revision: Revision) -> Mapping[Stage, QueueLoad]:
        """Returns the load of the stages AR and DiT for one model revision ('' for all): the waiting work that its
        workers may claim, and these workers. The throughput is that of the stage.
        """
        overview = self._overview.get(lambda: overview_of(self._scripts.run("queue_position", "", "1")[1]))
        strengths = _strengths(overview.capacities(revision))
        work = {stage: fields.work(revision) for stage, fields in overview.stages.items()}
        sizes = {stage: union(fields.sizes(revision)) for stage, fields in overview.stages.items()}
        coming = {Stage.AR: 0.0, Stage.DIT: work[Stage.AR].later_cost}
        return {
            stage: QueueLoad(
                strengths[stage], round(work[stage].size), work[stage].cost, coming[stage], sizes=sizes[stage]
            )
            for stage in Stage
        }

    def _read_loads(self, names: Sequence[str]) -> Mapping[Stage, StageLoad]:
        found = json.loads(self._scripts.run("stats", *names))
        strengths = _strengths(found)
        return {stage: _load(found[stage], strengths[stage]) for stage in Stage}

    def signs(self) -> Mapping[Queue, QueueHealth]:
        """Returns the health of the live workers of each queue, as sums of the values in their heartbeats."""
        return self._signs.get(self._read_signs)

    def _read_signs(self) -> Mapping[Queue, QueueHealth]:
        sums = self._scripts.run("signs", int(_DEAF_AFTER_S * 1000), *Queue)
        return {queue: QueueHealth(*found) for queue, found in zip(Queue, sums, strict=True)}

    def newest_revision(self) -> Revision | None:
        """Returns the model revision of the AR worker that sent the last heartbeat, or None if there never was one."""
        with translated():
            found = cast("str | None", self._client.get("gridpress:revision"))
        return Revision(found) if found else None


def _why_too_large(job: Job, place: QueuePlace, revision: str, overview: Overview) -> str:
    """Returns why no live worker can render a job's size in a stage that it needs; '' if that is not why it waits."""
    for stage in place.unserved:
        if all_sizes := overview.stages[stage].sizes(revision):
            return why_too_large(job.spec.settings, union(all_sizes))
    return ""


def _are_large(loads: Mapping[Stage, StageLoad]) -> bool:
    return sum(load.waiting + load.strength.workers for load in loads.values()) >= _MOST_SHARED


def _are_many(signs: Mapping[Queue, QueueHealth]) -> bool:
    return sum(health.workers for health in signs.values()) >= _MOST_SHARED


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
        recent_per_s={Priority(name): float(per_s) for name, per_s in fields["recent"].items()},
    )


def _load(fields: Mapping[str, Any], strength: Strength) -> StageLoad:
    # cjson encodes an empty table as an object or as an array.
    unserved = dict(fields["unserved"] or {})
    open_work = OpenWork(**fields["open"])
    return StageLoad(
        strength=strength,
        unserved=unserved,
        too_large={size_named(name).words: num for name, num in dict(fields["too_large"] or {}).items()},
        sizes=union(map(Sizes.of, dict(fields["sizes"] or {}))),
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
