"""Estimates when a job would start and end if it were sent now."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.jobs.states import Stage
from shared.schedule.cost import Cost
from shared.schedule.sizes import SizeClass
from shared.schedule.throughput import Ahead, QueueLoad, Strength, eta


@dataclass(frozen=True, slots=True)
class NewJob:
    """The estimate for a job that would be sent now. Seconds are None while no worker lives or nothing is measured.

    `start_s` is the seconds until its first render starts, and `eta_s` until its last one is finished. `position` is
    the number of renders that wait now in the job's first stage. `unserved` lists the stages without a live worker that
    can render the job's size.
    """

    position: int
    start_s: float | None
    eta_s: float | None
    unserved: tuple[Stage, ...]


def expected(loads: Mapping[Stage, QueueLoad], cost: Cost, n: int, size: SizeClass, *, is_rerender: bool) -> NewJob:
    """Returns the estimate for a job of `n` renders, each of the given cost and size. A re-render needs no AR work.

    `loads` are those of the model revision that the job would go to.

    Tenants share the stages fairly, so a tenant that has sent little starts earlier than this: the estimate puts all
    waiting renders before the job.
    """
    first = Stage.DIT if is_rerender else Stage.AR
    strengths = {stage: load.strength for stage, load in loads.items()}
    stages = [Stage.DIT] if is_rerender else list(Stage)
    unserved = tuple(stage for stage in stages if not strengths[stage].workers or not loads[stage].sizes.has(size))
    return NewJob(
        position=loads[first].waiting,
        start_s=_start_s(strengths[first], loads[first].waiting_cost) if first not in unserved else None,
        eta_s=_eta_s(loads, strengths, cost, n, first) if not unserved else None,
        unserved=unserved,
    )


def _start_s(strength: Strength, waiting_cost: float) -> float | None:
    work_s = strength.seconds_for(waiting_cost)
    return None if work_s is None else work_s + strength.residual_s


def _eta_s(
    loads: Mapping[Stage, QueueLoad], strengths: Mapping[Stage, Strength], cost: Cost, n: int, first: Stage
) -> float | None:
    """Returns the seconds until the last of the job's renders is decoded. Its other renders come before the last."""
    ar, dit, others = loads[Stage.AR], loads[Stage.DIT], n - 1
    is_in_ar = first is Stage.AR
    ahead = Ahead(
        stage=first,
        position=loads[first].waiting,
        is_waiting=True,
        ar=ar.waiting_cost + others * cost.ar,
        num_ar=ar.waiting + others,
        dit=dit.waiting_cost + (0 if is_in_ar else others * cost.dit),
        num_dit=dit.waiting + (0 if is_in_ar else others),
        dit_later=dit.coming_cost + (others * cost.dit if is_in_ar else 0),
        held=dict.fromkeys(Stage, ()),
    )
    end_s = eta(ahead, cost, strengths)
    return None if end_s is None else end_s + strengths[Stage.DIT].residual_s
