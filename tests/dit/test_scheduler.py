from shared.ids import RenderId
from workers.dit.scheduler import Scheduler

FIRST, SECOND, THIRD = RenderId("first"), RenderId("second"), RenderId("third")


def make_scheduler(*render_ids: RenderId) -> Scheduler:
    scheduler = Scheduler()
    for render_id in render_ids:
        scheduler.add(render_id)
    return scheduler


def test_nobody_is_next_while_nobody_waits() -> None:
    assert make_scheduler().next_render() is None


def test_the_oldest_render_keeps_its_turn_until_it_leaves() -> None:
    scheduler = make_scheduler(FIRST, SECOND)
    assert [scheduler.next_render() for _ in range(3)] == [FIRST] * 3
    scheduler.remove(FIRST)
    assert scheduler.next_render() == SECOND


def test_a_render_that_leaves_early_changes_nobodys_order() -> None:
    scheduler = make_scheduler(FIRST, SECOND, THIRD)
    scheduler.remove(SECOND)
    scheduler.remove(FIRST)
    assert scheduler.next_render() == THIRD
