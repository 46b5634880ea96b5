"""What estimates leave to a class beside the work of higher classes that is yet to come."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.jobs.spec import Priority
from shared.jobs.states import Stage
from shared.schedule.throughput import Strength

BATCH, INTERACTIVE = Priority.BATCH, Priority.INTERACTIVE
# Two DiT workers, and two AR workers of four rows, one of which is reserved for people. Everything takes a second for
# a unit of cost.
DIT = Strength(Stage.DIT, 2, 2, 0, 1.0, 1.0, 1.0)
AR = Strength(Stage.AR, 2, 8, 0, 1.0, 1.0, 1.0)
RATES = st.floats(0, 100)


def beside(stage: Strength, people: float, bulk: float = 0.0) -> Strength:
    """`people` and `bulk` are the servers that each class keeps busy."""
    return replace(stage, recent_per_s={INTERACTIVE: people, BATCH: bulk}).for_class(BATCH)


def test_bulk_takes_longer_by_what_people_take_of_the_dit() -> None:
    alone, shared = beside(DIT, 0.0), beside(DIT, 0.5)
    assert (alone.seconds_for(6), alone.run_s(6)) == (3, 6)
    assert (shared.seconds_for(6), shared.run_s(6), shared.run_s(6, 3)) == (4, 8, 4)


def test_in_ar_people_take_the_reserved_rows_first_and_stop_no_row() -> None:
    assert [beside(AR, people).seconds_for(60) for people in (0, 2, 5)] == [10, 10, 20]
    assert beside(AR, 5).run_s(60) == 60


def test_work_of_the_own_class_and_of_lower_ones_does_not_count() -> None:
    assert beside(DIT, 0.0, bulk=2.0).seconds_for(6) == 3
    assert replace(DIT, recent_per_s={BATCH: 1.0}).for_class(INTERACTIVE).seconds_for(6) == 3


@settings(deadline=None)
@given(people=RATES, more=RATES)
def test_bulk_keeps_something_and_more_people_leave_it_less(people: float, more: float) -> None:
    for stage in (AR, DIT):
        few, many = beside(stage, people), beside(stage, people + more)
        assert 0.05 <= many.share <= few.share <= 1.0


@pytest.mark.parametrize("stage", [AR, DIT])
def test_without_a_worker_or_a_measurement_nothing_is_told(stage: Strength) -> None:
    for unknown in (replace(stage, workers=0, slots=0), replace(stage, full_seconds_per_cost=None)):
        assert beside(unknown, 3.0).seconds_for(1) is None
