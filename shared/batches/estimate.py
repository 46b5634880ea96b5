"""Estimates when a batch ends, from the work before it, the shares of other tenants and the pace of the stages. No I/O.

While a tenant of weight w is served the cost W, another one of weight v is served at most W x v / w, and no more than
it has waiting (generalised processor sharing: Parekh and Gallager, 1993). So the work that is done until the tenant's
own ends is known, and the pace of the stages says how long it takes. Where the tenant's lines have ended at a steady
rate for a while, that rate counts instead, whatever else goes on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.batches.batch import BatchId, Standing
from shared.jobs.states import Stage


class StagePace(Protocol):
    """The part of `shared.schedule.throughput.Strength` that an estimate needs."""

    @property
    def render_s(self) -> float | None: ...

    @property
    def residual_s(self) -> float: ...

    def seconds_for(self, cost: float) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Work:
    """Cost in both stages, in the units of `shared.schedule.cost`."""

    ar: float = 0.0
    dit: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        return Work(self.ar + other.ar, self.dit + other.dit)

    def of(self, stage: Stage) -> float:
        return self.ar if stage is Stage.AR else self.dit


@dataclass(frozen=True, slots=True)
class OwnBatch:
    """A batch of the tenant. `left` is the work until its end, `dit_per_s` the rate at which it was done lately."""

    batch_id: BatchId
    standing: Standing
    left: Work
    dit_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Work of another tenant that waits in the class."""

    weight: float
    work: Work


@dataclass(frozen=True, slots=True)
class Outlook:
    """All that decides when the tenant's batches of one class end.

    `own` is in the tenant's order. `single` is work of its single jobs in the class, `urgent` that of higher classes.
    """

    own: Sequence[OwnBatch]
    single: Work
    others: Sequence[Waiting]
    urgent: Work
    weight: float
    strengths: Mapping[Stage, StagePace]

    def end_s(self, batch_id: BatchId) -> float | None:
        """Returns the seconds until a batch ends; None for one that is not in the order, or without any measure."""
        ahead = Work()
        for batch in self.own:
            ahead += batch.left
            if batch.batch_id == batch_id:
                return self._seconds(ahead)
        return None

    def end_of_new_s(self, standing: Standing, work: Work) -> float | None:
        """Returns the seconds until the end of a batch that would be made now."""
        ahead = sum((batch.left for batch in self.own if _key(batch.standing) <= _key(standing)), Work())
        return self._seconds(ahead + work)

    def _seconds(self, work: Work) -> float | None:
        rates = [batch.dit_per_s for batch in self.own if batch.dit_per_s]
        if rates:
            return work.dit / sum(rates)
        times = [self._stage_s(stage, work) for stage in Stage]
        known = [seconds for seconds in times if seconds is not None]
        return max(known) + self._one_s() if len(known) == len(times) else None

    def _stage_s(self, stage: Stage, work: Work) -> float | None:
        own, strength = work.of(stage) + self.single.of(stage), self.strengths[stage]
        others = sum(min(other.work.of(stage), own * other.weight / self.weight) for other in self.others)
        seconds = strength.seconds_for(own + others + self.urgent.of(stage))
        return None if seconds is None else seconds + strength.residual_s

    def _one_s(self) -> float:
        """The last picture passes AR before the DiT's last, or the DiT after AR's last: the shorter way counts."""
        return min(strength.render_s or 0.0 for strength in self.strengths.values())


def _key(standing: Standing) -> tuple[int, float]:
    latest = standing.finish_by.timestamp() if standing.finish_by else float("inf")
    return standing.priority.order, latest


def is_on_time(finish_by: datetime | None, expected_end: datetime | None) -> bool | None:
    """Returns whether a batch ends by the time that was asked for; None without such a time or an estimate."""
    return None if finish_by is None or expected_end is None else expected_end <= finish_by
