"""Decodes what queue_position.lua and overview.lua return: a job's place among all lanes, pools and workers."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.ids import JobId
from shared.jobs.pauses import Pause
from shared.jobs.spec import Priority
from shared.jobs.states import Stage
from shared.schedule.places import Lane, OwnLane, Pool, Queues, Standing, Work
from shared.schedule.sizes import SizeClass, Sizes, size_named
from shared.schedule.throughput import Ahead, HeldRender
from shared.store.pauses.pauses import pause_of

_LARGE = 200  # lanes and workers. Below that an overview takes the store less than a millisecond
_COUNTS = ("workers", "slots", "running")  # in the order of their counts in overview.lua
_ORDINARY = size_named("")


@dataclass(frozen=True, slots=True)
class StageOverview:
    """One stage: its waiting renders, its capacity by model revision, the renders that workers hold, and averages."""

    queues: Queues
    capacities: Mapping[str, Mapping[str, Any]]
    held: Sequence[Sequence[Any]]
    averages: Mapping[str, Any]

    def capacity(self, revision: str, size: SizeClass = _ORDINARY) -> Mapping[str, Any]:
        """Returns the capacity for a model revision ('' for all) and a size class, and the averages of the stage."""
        kinds = [counts for sizes, counts in self._kinds(revision) if sizes.has(size)]
        sums = {name: sum(counts[index] for counts in kinds) for index, name in enumerate(_COUNTS)}
        return {**sums, **self.averages}

    def sizes(self, revision: str) -> Sequence[Sizes]:
        """Returns the sizes that the live workers of a model revision can render, each once."""
        return [sizes for sizes, _ in self._kinds(revision)]

    def _kinds(self, revision: str) -> Iterator[tuple[Sizes, Sequence[int]]]:
        for served, fields in self.capacities.items():
            if revision in ("", served):
                yield from ((Sizes.of(text), counts) for text, counts in dict(fields["by_sizes"] or {}).items())

    def work(self, revision: str) -> Work:
        """Returns the waiting work that workers of a model revision may claim ('' for all). What is paused is left
        out.
        """
        lanes = [lane for lane in self.queues.lanes if "" in (revision, lane.revision) or lane.revision == revision]
        return Work(
            sum(lane.size for lane in lanes),
            sum(lane.cost for lane in lanes),
            sum(lane.later_cost for lane in lanes),
        )


@dataclass(frozen=True, slots=True)
class Overview:
    """All lanes, pools and workers of both stages."""

    stages: Mapping[Stage, StageOverview]

    def capacities(self, revision: str, size: SizeClass = _ORDINARY) -> Mapping[str, Mapping[str, Any]]:
        """Returns the capacity of each stage for a model revision ('' for all) and a size class."""
        return {stage: fields.capacity(revision, size) for stage, fields in self.stages.items()}

    @property
    def is_large(self) -> bool:
        """Returns whether reading the overview again would take the store long."""
        num_lanes = sum(len(stage.queues.lanes) for stage in self.stages.values())
        return num_lanes + sum(stage.capacity("")["workers"] for stage in self.stages.values()) >= _LARGE


class JobInQueue:
    """What queue_position.lua returns about one job that has not ended."""

    def __init__(self, job_id: JobId, text: str) -> None:
        self._job_id = job_id
        self._found: Mapping[str, Any] = json.loads(text)
        priority, self._tenant, self.revision, *size = self._found["lane"].split("|")
        self.size = size_named(*size) if size else _ORDINARY
        self._priority = Priority(priority)

    @property
    def pause(self) -> Pause | None:
        """Returns the pause because of which the job waits or will wait; None if there is none."""
        found = self._found.get("pause")
        return pause_of(*found) if found else None

    def ahead(self, overview: Overview) -> Ahead:
        """Returns the work that comes before the job's end."""
        stage, is_waiting = Stage(self._found["stage"]), self._found["is_waiting"]
        first = self._before(overview, stage, is_last=False) if is_waiting else Work()
        ar = self._before_last(overview, Stage.AR, first) if is_waiting and stage is Stage.AR else Work()
        dit = self._before_last(overview, Stage.DIT, first)
        return Ahead(
            stage=stage,
            position=_rounded(first.size),
            is_waiting=is_waiting,
            ar=ar.cost,
            num_ar=_rounded(ar.size),
            dit=dit.cost,
            num_dit=_rounded(dit.size),
            dit_later=ar.later_cost,
            held={each: self._held(overview, each) for each in Stage},
        )

    def _before_last(self, overview: Overview, stage: Stage, first: Work) -> Work:
        """Returns the work before the job's last render in a stage. `first` is the work before the first render in the
        job's own stage, which is the same if the job has one render there.
        """
        lanes = self._found[stage]["lanes"] or ()
        is_first = self._found["is_waiting"] and self._found["stage"] == stage
        if is_first and all(before_first == before_last for *_, before_first, before_last in lanes):
            return first
        return self._before(overview, stage, is_last=True)

    def _before(self, overview: Overview, stage: Stage, *, is_last: bool) -> Work:
        own = _standing(self._found[stage], float(self._found["weight"]))
        queues = overview.stages[stage].queues
        return queues.before(self._priority, self._tenant, self.revision, own, is_last=is_last)

    def _held(self, overview: Overview, stage: Stage) -> Sequence[HeldRender]:
        """Returns the renders that workers hold and that come before the job.

        While workers hold the job's renders, the job's own part is from now, and not from the overview.
        """
        beside = [row for row in self._found["held"] or () if self._counts(row)]
        of_all = [row for row in overview.stages[stage].held if self._counts(row) and self.revision in ("", row[0])]
        if self._found["is_waiting"] or self._found["stage"] != stage:
            return [self._render(row) for row in of_all]
        if stage is Stage.DIT:
            return [self._render(row) for row in beside]
        others = [row for row in of_all if row[-1] != self._job_id]
        return [self._render(row) for row in (*others, *(row for row in beside if row[-1] == self._job_id))]

    def _counts(self, row: Sequence[Any]) -> bool:
        return Priority(row[2]).rank <= self._priority.rank and Sizes.of(row[6]).has(self.size)

    def _render(self, row: Sequence[Any]) -> HeldRender:
        _, server, _, cost, used_ms, later_cost, _, job_id = row
        return HeldRender(server, cost, used_ms / 1000, later_cost, job_id == self._job_id)


def overview_of(text: str) -> Overview:
    """Decodes the overview of both stages."""
    found = json.loads(text)
    # cjson encodes an empty table as an object or as an array.
    weights = {tenant: float(weight) for tenant, weight in dict(found["weights"] or {}).items()}
    return Overview({stage: _stage(stage, found[stage], weights) for stage in Stage})


def _stage(stage: Stage, fields: Mapping[str, Any], weights: Mapping[str, float]) -> StageOverview:
    lanes = [_lane(*row) for row in fields["lanes"] or ()]
    pools = {_pool_key(stage, name): _pool(*row) for name, row in dict(fields["pools"] or {}).items()}
    averages = {name: fields[name] for name in ("ms", "cost", "n", "full_ms", "full_cost", "recent")}
    capacities = dict(fields["capacities"] or {})
    return StageOverview(Queues(lanes, pools, weights), capacities, fields["held"] or (), averages)


def _lane(name: str, size: int, cost: float, later_cost: float) -> Lane:
    priority, tenant, revision, *_ = name.split("|")  # re-renders that have not begun have `|again` at the end
    return Lane(Priority(priority), tenant, revision, size, cost, later_cost)


def _pool_key(stage: Stage, name: str) -> tuple[Priority, str]:
    priority, revision = name.removeprefix(f"{stage}:").split("|")
    return Priority(priority), revision


def _pool(clock: str, flat: Sequence[str]) -> Pool:
    flat = flat or ()  # cjson encodes an empty list as an object
    members = zip(flat[::2], map(float, flat[1::2]), strict=True)
    return Pool(float(clock), {member.partition("|")[2]: (member, tag) for member, tag in members})


def _standing(fields: Mapping[str, Any], weight: float) -> Standing:
    tag = max(float(fields["clock"]), float(fields["tag"] or 0))
    return Standing(tag, fields["member"], weight, [OwnLane(*row) for row in fields["lanes"] or ()])


def _rounded(num: float) -> int:
    return math.floor(num + 0.5)
