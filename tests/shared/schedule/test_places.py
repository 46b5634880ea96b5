"""The place of a job is what serving renders one by one in the fair order gives."""

import heapq

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.jobs.spec import Priority
from shared.schedule.places import Lane, OwnLane, Pool, Queues, Standing

INTERACTIVE, BATCH = Priority.INTERACTIVE, Priority.BATCH
Tenants = dict[str, tuple[int, int, int]]  # name: tag, number of renders, cost of each

tenants = st.dictionaries(
    st.sampled_from([f"t{number}" for number in range(6)]),
    st.tuples(st.integers(0, 20), st.integers(1, 6), st.integers(1, 7)),
    min_size=1,
)


def served_before(waiting: Tenants, own: str, num_own: int) -> tuple[int, int]:
    """Number and cost of the renders served before that render of a tenant with `num_own` of its own before it."""
    queue = [(tag, name) for name, (tag, _, _) in waiting.items()]
    heapq.heapify(queue)
    left = {name: size for name, (_, size, _) in waiting.items()}
    num = cost = 0
    while True:
        tag, name = heapq.heappop(queue)
        if name == own and left[name] == waiting[name][1] - num_own:
            return num, cost
        num, cost, left[name] = num + 1, cost + waiting[name][2], left[name] - 1
        if left[name]:
            heapq.heappush(queue, (tag + waiting[name][2], name))


def queues_of(waiting: Tenants, *more: Lane) -> Queues:
    lanes = [Lane(BATCH, name, "r1", size, size * cost, 2 * size * cost) for name, (_, size, cost) in waiting.items()]
    pool = Pool(0, {name: (name, tag) for name, (tag, _, _) in waiting.items()})
    return Queues([*lanes, *more], {(BATCH, "r1"): pool}, {})


def standing(waiting: Tenants, own: str, num_own: int) -> Standing:
    tag, size, cost = waiting[own]
    return Standing(tag, own, 1, [OwnLane(size, size * cost, 2 * size * cost, 0, num_own)])


@settings(deadline=None)
@given(tenants, st.data())
def test_a_place_is_the_number_of_renders_that_are_served_before(waiting: Tenants, data: st.DataObject) -> None:
    own = data.draw(st.sampled_from(sorted(waiting)))
    num_own = data.draw(st.integers(0, waiting[own][1] - 1))
    work = queues_of(waiting).before(BATCH, own, "r1", standing(waiting, own, num_own), is_last=True)
    num, cost = served_before(waiting, own, num_own)
    assert (round(work.size, 6), round(work.cost, 6), round(work.later_cost, 6)) == (num, cost, 2 * cost)


def test_all_of_a_higher_class_comes_before_and_nothing_of_a_lower_one() -> None:
    urgent = Lane(INTERACTIVE, "t9", "r1", 3, 30, 0)
    queues = queues_of({"t0": (0, 1, 1)}, urgent)
    assert queues.before(BATCH, "t0", "r1", standing({"t0": (0, 1, 1)}, "t0", 0), is_last=False).size == 3
    assert queues.before(INTERACTIVE, "t1", "r1", Standing(99, "", 1, []), is_last=False).size == 3


def test_renders_of_another_revision_do_not_count_but_those_of_any_revision_do() -> None:
    others = [Lane(INTERACTIVE, "t9", revision, 1, 1, 0) for revision in ("r2", "")]
    queues = queues_of({"t0": (0, 1, 1)}, *others)
    assert queues.before(BATCH, "t0", "r1", standing({"t0": (0, 1, 1)}, "t0", 0), is_last=False).size == 1


def test_a_heavy_tenant_gets_more_before() -> None:
    lanes = [Lane(BATCH, "heavy", "r1", 10, 10, 0)]
    pool = Pool(0, {"heavy": ("a", 0), "own": ("b", 0)})
    own = Standing(0, "b", 1, [OwnLane(3, 3, 0, 0, 2)])
    for weight, num in ((1, 2 + 3), (3, 2 + 7)):
        queues = Queues(lanes, {(BATCH, "r1"): pool}, {"heavy": weight})
        assert round(queues.before(BATCH, "own", "r1", own, is_last=True).size) == num
