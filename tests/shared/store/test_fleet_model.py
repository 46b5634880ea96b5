"""Properties of the schedule on the virtual clock of benchmarks/fleet.py."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fair_queue import Demand, FairOrder
from benchmarks.fleet import BATCH_TENANT, FETCH_S, FLOOR, NUM_STEPS, UNIT_S, Fleet, Outcome, batch_backlog
from shared.jobs.spec import Priority


def outcome_of(demands: Sequence[Demand], num_workers: int) -> Outcome:
    return Fleet(FairOrder({}, FLOOR), num_workers, random.Random(0)).run(demands)


def people(gaps_s: Sequence[float]) -> Sequence[Demand]:
    """One picture of cost 1 after each gap."""
    return [Demand(0, Priority.INTERACTIVE, 1.0, sum(gaps_s[: number + 1])) for number in range(len(gaps_s))]


@settings(max_examples=40, deadline=None)
@given(num=st.integers(1, 60), seed=st.integers(0, 9), num_workers=st.integers(1, 8))
def test_all_that_is_asked_for_is_computed_once(num: int, seed: int, num_workers: int) -> None:
    dice = random.Random(seed)
    batch = batch_backlog(num, dice)
    singles = people([dice.expovariate(0.2) for _ in range(num)])
    found = outcome_of([*batch, *singles], num_workers)
    assert len(found.waits_s) == num
    asked_s = UNIT_S * sum(one.cost for one in (*batch, *singles))
    # A paused render has a floor of the steps, also when it needs less.
    idle_floor_s = UNIT_S * num * FLOOR / (1 - FLOOR)
    computed_s = sum(end - start for start, end in found.computed)
    assert asked_s - 1e-6 <= computed_s <= asked_s + idle_floor_s + 1e-6


@settings(max_examples=40, deadline=None)
@given(gaps_s=st.lists(st.floats(UNIT_S / (1 - FLOOR) + 2, 60), min_size=1, max_size=20), seed=st.integers(0, 9))
def test_a_person_alone_waits_for_one_step_of_the_batch_at_most(gaps_s: list[float], seed: int) -> None:
    batch = batch_backlog(200, random.Random(seed))
    longest_step_s = max(one.cost for one in batch) * UNIT_S / NUM_STEPS
    found = outcome_of([*batch, *people(gaps_s)], num_workers=1)
    assert max(found.waits_s) <= FETCH_S + longest_step_s + 1e-9


def test_workers_never_idle_while_batch_waits() -> None:
    dice = random.Random(3)
    batch = batch_backlog(2_000, dice)
    singles = people([dice.expovariate(0.5) for _ in range(400)])
    assert outcome_of([*batch, *singles], num_workers=20).utilisation(20) > 0.99


def test_no_worker_pre_empts_while_another_idles() -> None:
    """One batch render on the first of two workers: the person has the other one at once."""
    batch = [Demand(BATCH_TENANT, Priority.BATCH, 4.0, 0.0)]
    found = outcome_of([*batch, *people([1.0])], num_workers=2)
    assert found.waits_s == [pytest.approx(FETCH_S)]
    assert len(found.computed) == 2
