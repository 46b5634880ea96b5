"""Estimates when a batch ends, from the work ahead of it, the shares of other tenants and the throughput of the stages.

The estimate has three parts:
1. The work that the stages do for all tenants until the batch ends. Tenants share the stages by weight, as in
   generalised processor sharing (Parekh and Gallager, 1993). While a tenant of weight w gets work of cost W done, a
   tenant of weight v gets at most W x v / w, and at most its own waiting work.
2. The time for all this work, by the throughput of the stages. Work of higher classes that is yet to come takes the
   same share of a stage as it did recently (`shared.schedule.throughput.Strength.for_class`). A tenant with a limit of
   renders at once has at least the time that its own renders take under this limit.
3. The rate at which the tenant's lines have recently ended. It knows what the calculation does not know, but over a few
   lines it is inexact. So the more lines were counted, the more it counts in the mean of both times.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.batches.batch import BatchId, Precedence
from shared.jobs.states import Stage

# A rate over so many lines counts as much as the calculation. Beside other tenants' renders, whose times are random,
# such a rate is about 10 % off. The calculation is, too.
_AS_GOOD_LINES = 25


class StageThroughput(Protocol):
    """The interface of the capacity of a stage, as far as the estimate of a batch's end needs it.

    The class `shared.schedule.throughput.Strength` has the fields of this interface.
    """

    @property
    def render_s(self) -> float | None: ...

    @property
    def residual_s(self) -> float: ...

    def seconds_for(self, cost: float) -> float | None: ...

    def run_s(self, cost: float) -> float: ...


@dataclass(frozen=True, slots=True)
class Work:
    """The cost of work in both stages, in units of `shared.schedule.cost`."""

    ar: float = 0.0
    dit: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        return Work(self.ar + other.ar, self.dit + other.dit)

    def of(self, stage: Stage) -> float:
        return self.ar if stage is Stage.AR else self.dit


@dataclass(frozen=True, slots=True)
class Rate:
    """The rate at which a batch's lines recently ended: their DiT cost per second, measured over `num_lines` lines."""

    dit_per_s: float
    num_lines: int


@dataclass(frozen=True, slots=True)
class OwnBatch:
    """One of the tenant's batches that the estimate covers. `left` is the work that the batch still has to do.

    `rate` is None while too few of the batch's lines have ended.
    """

    batch_id: BatchId
    precedence: Precedence
    left: Work
    rate: Rate | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The waiting work of another tenant in the scheduling class of the estimate. `weight` is that tenant's weight in
    the fair share.
    """

    weight: float
    work: Work


@dataclass(frozen=True, slots=True)
class Outlook:
    """All data that determines when the batches of a tenant end, for one scheduling class.

    - `own` are the tenant's batches in their order.
    - `single` is the work of the tenant's jobs that belong to no batch.
    - `others` is the waiting work of other tenants.
    - `urgent` is the waiting work of all tenants in more urgent classes.
    - `most_at_once` is the tenant's limit of renders that run at once, or None.
    """

    own: Sequence[OwnBatch]
    single: Work
    others: Sequence[Waiting]
    urgent: Work
    weight: float
    strengths: Mapping[Stage, StageThroughput]
    most_at_once: int | None = None

    def end_s(self, batch_id: BatchId) -> float | None:
        """Returns the seconds until a batch of the tenant ends. Returns None for a batch that is not in `own`, and
        while no throughput is measured.
        """
        ahead = Work()
        for batch in self.own:
            ahead += batch.left
            if batch.batch_id == batch_id:
                return self._seconds(ahead)
        return None

    def end_of_new_s(self, precedence: Precedence, work: Work) -> float | None:
        """Returns the seconds from now until the expected end of a batch that would be created now with this work and
        precedence. Returns None while no throughput is measured.
        """
        ahead = sum((batch.left for batch in self.own if _key(batch.precedence) <= _key(precedence)), Work())
        return self._seconds(ahead + work)

    def _seconds(self, work: Work) -> float | None:
        rates = [batch.rate for batch in self.own if batch.rate]
        dit_per_s, num_lines = sum(rate.dit_per_s for rate in rates), sum(rate.num_lines for rate in rates)
        computed_s = self._computed_s(work)
        if not dit_per_s:
            return computed_s
        rated_s, part = work.dit / dit_per_s, num_lines / (num_lines + _AS_GOOD_LINES)
        return rated_s if computed_s is None else part * rated_s + (1 - part) * computed_s

    def _computed_s(self, work: Work) -> float | None:
        times = [self._stage_s(stage, work) for stage in Stage]
        known = [seconds for seconds in times if seconds is not None]
        if len(known) < len(times):
            return None
        return max(*known, self._limited_s(work)) + self._one_s()

    def _limited_s(self, work: Work) -> float:
        """Returns the seconds for the tenant's own work under its limit of renders at once."""
        if not self.most_at_once:
            return 0.0
        run_s = sum(self.strengths[stage].run_s(work.of(stage) + self.single.of(stage)) for stage in Stage)
        return run_s / self.most_at_once

    def _stage_s(self, stage: Stage, work: Work) -> float | None:
        own, strength = work.of(stage) + self.single.of(stage), self.strengths[stage]
        others = sum(min(other.work.of(stage), own * other.weight / self.weight) for other in self.others)
        seconds = strength.seconds_for(own + others + self.urgent.of(stage))
        return None if seconds is None else seconds + strength.residual_s

    def _one_s(self) -> float:
        """Returns the seconds to add for the last picture of the batch: the mean time of a render in the faster stage.

        The rest of the estimate covers only the slower stage, the bottleneck. But the last picture must also pass the
        faster stage, either before the slower one or after it.
        """
        return min(strength.render_s or 0.0 for strength in self.strengths.values())


def _key(precedence: Precedence) -> tuple[int, float]:
    latest = precedence.finish_by.timestamp() if precedence.finish_by else float("inf")
    return precedence.priority.order, latest


def is_on_time(finish_by: datetime | None, expected_end: datetime | None) -> bool | None:
    """Returns whether a batch is expected to end by the requested time. Returns None if no time was requested or if
    there is no estimate.
    """
    return None if finish_by is None or expected_end is None else expected_end <= finish_by
