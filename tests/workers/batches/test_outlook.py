"""When batches are expected to end: against a simulation of fair shares on a virtual clock."""

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.batches.batch import BatchPriority, Precedence, new_batch_id
from shared.batches.estimate import Outlook, OwnBatch, Rate, Waiting, Work, is_on_time
from shared.jobs.states import Stage
from tests.workers.batches.order_world import NOW, precedence

PLAIN = Precedence()
COSTS = st.floats(1, 1000)
OTHERS = st.lists(st.builds(Waiting, st.integers(1, 4), st.builds(Work, COSTS, COSTS)), max_size=5)
FEW = settings(max_examples=50, deadline=None)


@dataclass(frozen=True)
class ConstantPace:
    """A stage whose slots are free at once and take the same time for every unit of cost; None: not measured."""

    seconds_per_cost: float | None
    slots: int = 1
    render_s: float | None = None
    residual_s: float = 0.0

    def seconds_for(self, cost: float) -> float | None:
        return None if self.seconds_per_cost is None else cost * self.seconds_per_cost / self.slots

    def run_s(self, cost: float) -> float:
        return cost * (self.seconds_per_cost or 0.0)


def an_outlook(own: list[OwnBatch], others: list[Waiting] | None = None, weight: int = 1, slots: int = 1) -> Outlook:
    """The DiT takes a second for a unit of cost, AR next to nothing."""
    strengths = {Stage.AR: ConstantPace(1e-9, slots), Stage.DIT: ConstantPace(1.0, slots)}
    return Outlook(own, Work(), others or [], Work(), weight, strengths)


def a_batch(dit: float, place: Precedence = PLAIN, rate: Rate | None = None) -> OwnBatch:
    return OwnBatch(new_batch_id(), place, Work(1.0, dit), rate)


def served_until_done(own: float, weight: int, others: list[Waiting]) -> float:
    """A server of rate 1 that all who have work share by weight; the time at which the own work is done."""
    left = {-1: own} | {number: other.work.dit for number, other in enumerate(others)}
    weights = {-1: weight} | {number: int(other.weight) for number, other in enumerate(others)}
    now = 0.0
    while left[-1] > 1e-9:
        busy = [name for name, cost in left.items() if cost > 1e-9]
        total = sum(weights[name] for name in busy)
        step = min(left[name] * total / weights[name] for name in busy)
        now += step
        for name in busy:
            left[name] -= step * weights[name] / total
    return now


@FEW
@given(own=COSTS, weight=st.integers(1, 4), others=OTHERS)
def test_the_estimate_is_what_fair_shares_come_to(own: float, weight: int, others: list[Waiting]) -> None:
    batch = a_batch(own)
    end_s = an_outlook([batch], others, weight).end_s(batch.batch_id)
    assert end_s == pytest.approx(served_until_done(own, weight, others), rel=1e-4, abs=1e-4)


@FEW
@given(costs=st.lists(COSTS, min_size=1, max_size=5), others=OTHERS, slots=st.integers(1, 8))
def test_batches_end_in_their_order_and_more_slots_end_them_sooner(
    costs: list[float], others: list[Waiting], slots: int
) -> None:
    own = [a_batch(cost) for cost in costs]
    ends = [an_outlook(own, others, slots=slots).end_s(batch.batch_id) or 0.0 for batch in own]
    assert all(one < two for one, two in pairwise(ends))
    alone = an_outlook(own, others).end_s(own[-1].batch_id)
    assert ends[-1] == pytest.approx((alone or 0.0) / slots)


def test_a_new_batch_waits_for_those_before_it_alone() -> None:
    high, low = precedence(BatchPriority.HIGH, None), precedence(BatchPriority.LOW, None)
    outlook = an_outlook([a_batch(10, high), a_batch(100), a_batch(1000, low)])
    places = [precedence(BatchPriority.HIGH, 1), high, precedence(BatchPriority.BATCH, 1), Precedence(), low]
    ends = [outlook.end_of_new_s(place, Work(0, 1)) for place in places]
    assert ends == pytest.approx([1, 11, 11, 111, 1111])


def test_a_measured_rate_counts_the_more_the_more_lines_it_was_measured_over() -> None:
    ends = []
    for num_lines in (4, 25, 100_000):
        first, second = a_batch(60, rate=Rate(0.5, num_lines)), a_batch(60)
        outlook = an_outlook([first, second])
        ends.append([outlook.end_s(batch.batch_id) for batch in (first, second)])
    # By the calculation a unit of cost takes a second, by the rate two.
    assert ends[1] == pytest.approx([90, 180])
    assert ends[2] == pytest.approx([120, 240], rel=0.01)
    assert 60 < (ends[0][0] or 0) < 75


def test_a_limit_of_renders_at_once_holds_up_a_batch_as_long_as_it_says() -> None:
    batch = a_batch(100)
    free = an_outlook([batch], slots=10)
    limited = replace(free, most_at_once=2)
    wide = replace(free, most_at_once=50)
    ends = [each.end_s(batch.batch_id) for each in (free, limited, wide)]
    assert ends == pytest.approx([10, 50, 10])


def test_nothing_is_said_before_anything_was_measured_or_of_a_batch_that_is_not_in_the_order() -> None:
    batch = a_batch(1)
    outlook = an_outlook([batch])
    unknown = Outlook([batch], Work(), [], Work(), 1, {stage: ConstantPace(None) for stage in Stage})
    assert outlook.end_s(new_batch_id()) is None
    assert unknown.end_s(batch.batch_id) is None
    assert is_on_time(NOW, None) is is_on_time(None, NOW) is None
