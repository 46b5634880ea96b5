"""Whose denoise step is next: by class, then age, each to its end."""

import dataclasses
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from shared.geometry import GridSize
from shared.ids import RenderId
from shared.jobs.leases import Claim
from shared.jobs.spec import Priority
from tests.workers.dit.claims import make_claim
from workers.dit.scheduler import Scheduler

FIRST, SECOND, THIRD = RenderId("first"), RenderId("second"), RenderId("third")


def a_claim(name: str, priority: Priority = Priority.INTERACTIVE, width: int = 256) -> Claim:
    return dataclasses.replace(make_claim(name, width=width), priority=priority)


def alone(size: GridSize) -> int:
    return 1


def make_scheduler(*names: str, max_batch: int = 1) -> Scheduler:
    scheduler = Scheduler(lambda _: max_batch)
    for name in names:
        scheduler.add(a_claim(name))
    return scheduler


def next_of(scheduler: Scheduler, *unready: str) -> Sequence[RenderId]:
    return scheduler.next_batch(lambda render_id: render_id not in unready)


def test_nobody_is_next_while_nobody_waits() -> None:
    assert next_of(make_scheduler()) == []


def test_the_oldest_render_keeps_its_turn_until_it_leaves() -> None:
    scheduler = make_scheduler(FIRST, SECOND)
    assert [next_of(scheduler) for _ in range(3)] == [[FIRST]] * 3
    scheduler.remove(FIRST)
    assert next_of(scheduler) == [SECOND]


def test_a_render_that_leaves_early_changes_nobodys_order() -> None:
    scheduler = make_scheduler(FIRST, SECOND, THIRD)
    scheduler.remove(SECOND)
    scheduler.remove(FIRST)
    assert next_of(scheduler) == [THIRD]


def test_a_render_that_is_not_ready_is_passed_and_what_has_begun_ends_before_it() -> None:
    scheduler = make_scheduler(FIRST, SECOND)
    assert next_of(scheduler, FIRST) == [SECOND]
    assert next_of(scheduler) == [SECOND]
    scheduler.remove(SECOND)
    assert next_of(scheduler, FIRST) == []
    assert next_of(scheduler) == [FIRST]


def test_only_a_strictly_higher_class_pre_empts_and_what_it_pre_empted_goes_on_first() -> None:
    scheduler = Scheduler(alone)
    for name in (FIRST, SECOND):
        scheduler.add(a_claim(name, Priority.BATCH))
    assert next_of(scheduler) == [FIRST]
    scheduler.add(a_claim(THIRD, Priority.INTERACTIVE))
    assert next_of(scheduler) == [THIRD]
    scheduler.remove(THIRD)
    assert next_of(scheduler) == [FIRST]


def test_a_pre_empted_class_keeps_its_floor_of_the_steps_and_one_that_has_not_begun_has_none() -> None:
    scheduler = Scheduler(alone, floor=0.2)
    scheduler.add(a_claim(FIRST, Priority.BATCH))
    scheduler.add(a_claim(THIRD, Priority.INTERACTIVE))
    assert [next_of(scheduler) for _ in range(10)] == [[THIRD]] * 10
    scheduler.remove(THIRD)
    assert next_of(scheduler) == [FIRST]
    scheduler.add(a_claim(SECOND, Priority.INTERACTIVE))
    assert [next_of(scheduler) for _ in range(5)] == [[SECOND]] * 4 + [[FIRST]]


def test_a_batch_is_of_one_size_and_class_and_as_long_as_the_size_gains_from_it() -> None:
    scheduler = make_scheduler(FIRST, SECOND, THIRD, max_batch=2)
    assert next_of(scheduler) == [FIRST, SECOND]
    other = Scheduler(lambda _: 8)
    other.add(a_claim("square"))
    other.add(a_claim("wide", width=512))
    other.add(a_claim("low", Priority.BATCH))
    assert next_of(other) == ["square"]


def test_one_that_failed_in_company_shares_no_step_any_more() -> None:
    scheduler = make_scheduler(FIRST, SECOND, THIRD, max_batch=2)
    next_of(scheduler)
    scheduler.separate(SECOND)
    assert next_of(scheduler) == [FIRST, THIRD]
    scheduler.separate(FIRST)
    assert next_of(scheduler) == [FIRST]


ARRIVALS = st.lists(
    st.tuples(st.sampled_from(Priority), st.sampled_from([256, 512]), st.integers(1, 4), st.integers(0, 30)),
    min_size=1,
    max_size=12,
)


@given(ARRIVALS, st.integers(1, 3))
def test_every_render_ends_and_within_a_class_nobody_is_passed_for_good(
    arrivals: list[tuple[Priority, int, int, int]], max_batch: int
) -> None:
    """Arrivals are (class, width, steps, tick). With no company, a class starts and ends in the order of its claims."""
    scheduler = Scheduler(lambda _: max_batch, floor=0)
    due = sorted(enumerate(arrivals), key=lambda arrival: arrival[1][3])
    order = [RenderId(str(index)) for index, _ in due]
    left = {RenderId(str(index)): arrival[2] for index, arrival in due}
    rank = {RenderId(str(index)): arrival[0].rank for index, arrival in due}
    present: set[RenderId] = set()
    ended: list[RenderId] = []
    tick = 0
    while left:
        while due and due[0][1][3] <= tick:
            index, (priority, width, _, _) = due.pop(0)
            scheduler.add(a_claim(str(index), priority, width))
            present.add(RenderId(str(index)))
        batch = next_of(scheduler)
        assert bool(batch) == bool(present)
        assert len(batch) <= max_batch
        assert all(rank[member] == min(map(rank.__getitem__, present)) for member in batch)
        for member in batch:
            left[member] -= 1
            if not left[member]:
                scheduler.remove(member)
                present.remove(member)
                ended.append(member)
                del left[member]
        tick += 1
    if max_batch == 1:
        for each in Priority:
            members = [render_id for render_id in order if rank[render_id] == each.rank]
            assert [render_id for render_id in ended if rank[render_id] == each.rank] == members
