"""Whose denoise step is next: by class, then age, each to its end."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from shared.ids import RenderId
from shared.jobs.leases import Claim
from shared.jobs.spec import Priority
from tests.workers.dit.claims import make_claim
from workers.dit.scheduler import Scheduler

FIRST, SECOND, THIRD = RenderId("first"), RenderId("second"), RenderId("third")


def a_claim(name: str, priority: Priority = Priority.INTERACTIVE) -> Claim:
    return dataclasses.replace(make_claim(name), priority=priority)


def make_scheduler(*names: str) -> Scheduler:
    scheduler = Scheduler()
    for name in names:
        scheduler.add(a_claim(name))
    return scheduler


def next_of(scheduler: Scheduler, *unready: str) -> RenderId | None:
    return scheduler.next_render(lambda render_id: render_id not in unready)


def test_nobody_is_next_while_nobody_waits() -> None:
    assert next_of(make_scheduler()) is None


def test_the_oldest_render_keeps_its_turn_until_it_leaves() -> None:
    scheduler = make_scheduler(FIRST, SECOND)
    assert [next_of(scheduler) for _ in range(3)] == [FIRST] * 3
    scheduler.remove(FIRST)
    assert next_of(scheduler) == SECOND


def test_a_render_that_leaves_early_changes_nobodys_order() -> None:
    scheduler = make_scheduler(FIRST, SECOND, THIRD)
    scheduler.remove(SECOND)
    scheduler.remove(FIRST)
    assert next_of(scheduler) == THIRD


def test_a_render_that_is_not_ready_is_passed_and_what_has_begun_ends_before_it() -> None:
    scheduler = make_scheduler(FIRST, SECOND)
    assert next_of(scheduler, FIRST) == SECOND
    assert next_of(scheduler) == SECOND
    scheduler.remove(SECOND)
    assert next_of(scheduler, FIRST) is None
    assert next_of(scheduler) == FIRST


def test_only_a_strictly_higher_class_pre_empts_and_what_it_pre_empted_goes_on_first() -> None:
    scheduler = Scheduler()
    for name in (FIRST, SECOND):
        scheduler.add(a_claim(name, Priority.BATCH))
    assert next_of(scheduler) == FIRST
    scheduler.add(a_claim(THIRD, Priority.INTERACTIVE))
    assert next_of(scheduler) == THIRD
    scheduler.remove(THIRD)
    assert next_of(scheduler) == FIRST


def test_a_pre_empted_class_keeps_its_floor_of_the_steps_and_one_that_has_not_begun_has_none() -> None:
    scheduler = Scheduler(floor=0.2)
    scheduler.add(a_claim(FIRST, Priority.BATCH))
    scheduler.add(a_claim(THIRD, Priority.INTERACTIVE))
    assert [next_of(scheduler) for _ in range(10)] == [THIRD] * 10
    scheduler.remove(THIRD)
    assert next_of(scheduler) == FIRST
    scheduler.add(a_claim(SECOND, Priority.INTERACTIVE))
    assert [next_of(scheduler) for _ in range(5)] == [SECOND] * 4 + [FIRST]


ARRIVALS = st.lists(
    st.tuples(st.sampled_from(Priority), st.integers(1, 4), st.integers(0, 30)), min_size=1, max_size=12
)


@given(ARRIVALS)
def test_every_render_ends_and_a_class_starts_and_ends_in_the_order_of_its_claims(
    arrivals: list[tuple[Priority, int, int]],
) -> None:
    """Arrivals are (class, steps, tick)."""
    scheduler = Scheduler(floor=0)
    due = sorted(enumerate(arrivals), key=lambda arrival: arrival[1][2])
    order = [RenderId(str(index)) for index, _ in due]
    left = {RenderId(str(index)): arrival[1] for index, arrival in due}
    rank = {RenderId(str(index)): arrival[0].rank for index, arrival in due}
    present: set[RenderId] = set()
    ended: list[RenderId] = []
    tick = 0
    while left:
        while due and due[0][1][2] <= tick:
            index, (priority, _, _) = due.pop(0)
            scheduler.add(a_claim(str(index), priority))
            present.add(RenderId(str(index)))
        tick += 1
        chosen = next_of(scheduler)
        assert (chosen is not None) == bool(present)
        if chosen is None:
            continue
        assert rank[chosen] == min(map(rank.__getitem__, present))
        left[chosen] -= 1
        if not left[chosen]:
            scheduler.remove(chosen)
            present.remove(chosen)
            ended.append(chosen)
            del left[chosen]
    for each in Priority:
        members = [render_id for render_id in order if rank[render_id] == each.rank]
        assert [render_id for render_id in ended if rank[render_id] == each.rank] == members
