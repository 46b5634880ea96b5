"""Whose lines of a tenant's own batches come first: priority, then `finish_by`, then age. Others are as before."""

import itertools
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.batches.batch import Batch, BatchPriority, Precedence, is_line_of
from shared.ids import new_job_id
from shared.jobs.spec import Priority
from shared.store.core.connect import Client
from tests.shared.store.builders import a_spec
from tests.workers.batches.order_world import OTHER, SPARE, OrderWorld, precedence

LOW, BATCH, HIGH = BatchPriority.LOW, BatchPriority.BATCH, BatchPriority.HIGH
PLACES = st.builds(precedence, st.sampled_from([LOW, BATCH, HIGH]), st.none() | st.integers(1, 40))
FEW = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def in_order(batches: dict[str, tuple[Batch, Precedence]]) -> list[str]:
    """Names of the batches by the rule, in plain words."""

    def key(name: str) -> tuple[int, float, str]:
        batch, place = batches[name]
        latest = place.finish_by.timestamp() if place.finish_by else float("inf")
        return [HIGH, BATCH, LOW].index(place.priority), latest, batch.batch_id

    return sorted(batches, key=key)


def names_of(jobs: list[str], batches: dict[str, tuple[Batch, Precedence]]) -> list[str]:
    return [name for job in jobs for name, (batch, _) in batches.items() if is_line_of(job, batch.batch_id)]


@FEW
@given(places=st.lists(PLACES, min_size=2, max_size=6), sizes=st.lists(st.integers(1, 25), min_size=6, max_size=6))
def test_each_batch_has_the_room_that_the_batches_before_it_leave(
    client: Client, places: list[Precedence], sizes: list[int]
) -> None:
    world = OrderWorld(client)
    batches = {f"batch {number}": (world.batch(place, sizes[number]), place) for number, place in enumerate(places)}
    left = SPARE
    for name in in_order(batches):
        batch = batches[name][0]
        assert max(0, world.room(batch)) == max(0, left)
        left -= batch_size(world, batch)


def batch_size(world: OrderWorld, batch: Batch) -> int:
    return world.batches.batch(batch.batch_id, batch.spec.tenant).counts.total


@FEW
@given(
    places=st.lists(PLACES, min_size=2, max_size=4),
    changes=st.lists(st.tuples(st.integers(0, 3), PLACES), max_size=3),
    released=st.permutations(list(range(4)) * 2),
)
def test_released_lines_are_claimed_in_the_order_of_their_batches(
    client: Client, places: list[Precedence], changes: list[tuple[int, Precedence]], released: list[int]
) -> None:
    """Whatever the order in which they were released, and also after a change. Without `finish_by` age is the line's
    own, so batches that are alike take turns."""
    world = OrderWorld(client)
    batches = {f"batch {number}": (world.batch(place), place) for number, place in enumerate(places)}
    for number in released:
        if number < len(places):
            world.release(batches[f"batch {number}"][0])
    for number, place in changes:
        if number < len(places):
            batches[f"batch {number}"] = (batches[f"batch {number}"][0], place)
            world.rank(batches[f"batch {number}"][0], place)
    claimed = names_of(world.claimed(), batches)
    assert Counter(claimed) == dict.fromkeys(batches, 2)
    for before, after in itertools.pairwise(claimed):
        one, two = batches[before][1], batches[after][1]
        is_alike = one.priority is two.priority and one.finish_by is two.finish_by is None
        assert is_alike or in_order(batches).index(before) <= in_order(batches).index(after)


def test_a_new_line_of_high_priority_passes_what_another_batch_has_released(client: Client) -> None:
    world = OrderWorld(client)
    first = world.batch(precedence(BATCH, None))
    world.release(first, 5)
    urgent = world.batch(precedence(HIGH, None))
    world.release(urgent, 2)
    assert [is_line_of(job, urgent.batch_id) for job in world.claimed(3)] == [True, True, False]


def test_a_single_job_waits_as_a_batch_without_finish_by_does(client: Client) -> None:
    world = OrderWorld(client)
    low, dated = world.batch(precedence(LOW, 1)), world.batch(precedence(BATCH, 9))
    world.release(low)
    own = {"tenant": low.spec.tenant, "priority": Priority.BATCH}
    single = world.jobs.submit(new_job_id(), a_spec(**own)).job_id
    world.release(dated)
    one, two, three = world.claimed()
    assert is_line_of(one, dated.batch_id)
    assert two == single
    assert is_line_of(three, low.batch_id)


def test_another_tenants_share_is_the_same_beside_high_priority(client: Client) -> None:
    def served(priority: BatchPriority) -> list[int]:
        world = OrderWorld(client)
        mine, theirs = world.batch(precedence(priority, 1)), world.batch(precedence(LOW, None), tenant=OTHER)
        world.release(mine, 10)
        world.release(theirs, 10)
        claimed = [is_line_of(job, theirs.batch_id) for job in world.claimed()]
        return [sum(claimed[:num]) for num in range(2, 21, 2)]

    assert served(HIGH) == served(LOW) == list(range(1, 11))


def test_a_batch_whose_pictures_are_fetched_slowly_leaves_its_room_to_the_next(client: Client) -> None:
    world = OrderWorld(client)
    slow, next_one = world.batch(precedence(HIGH, None)), world.batch(precedence(LOW, None))
    world.release(slow, 3)
    assert world.room(next_one) == 0
    found = world.look(slow)
    world.work.rest(found.lease, 60, is_slow=True)
    assert world.room(next_one) == SPARE - 3


def test_a_paused_batch_holds_nobody_up_and_is_first_again_when_it_goes_on(client: Client) -> None:
    world = OrderWorld(client)
    first, second = world.batch(precedence(HIGH, None)), world.batch(precedence(BATCH, None))
    assert world.room(second) == 0
    paused = world.batches.change(first, "pause")
    assert world.room(second) == SPARE
    world.batches.change(paused, "resume")
    assert (world.room(first), world.room(second)) == (SPARE, 0)


def test_the_next_batch_is_looked_at_as_soon_as_the_one_before_it_has_released_its_last_line(client: Client) -> None:
    world = OrderWorld(client)
    first, second = world.batch(precedence(HIGH, None), num_lines=3), world.batch(precedence(BATCH, None))
    world.work.rest(world.look(second).lease, 1000)
    world.release(first, 3)
    world.work.rest(world.look(first).lease, 1000)
    lease = world.work.claim()
    assert lease
    assert lease.batch_id == second.batch_id
    assert world.work.look(lease).room == SPARE - 3


def test_a_batch_of_an_earlier_version_stands_without_a_place(client: Client) -> None:
    """Such a record has no class, order or time, and it is in no order until it is claimed."""
    world = OrderWorld(client)
    old = world.batch(precedence(BATCH, None))
    client.hdel(f"gridpress:batch:{old.batch_id}", "class", "order")
    client.delete("gridpress:batch_order:batch|owner")
    assert world.batches.batch(old.batch_id, old.spec.tenant).precedence == Precedence()
    assert world.room(old) == SPARE
    assert world.room(world.batch(precedence(LOW, None))) == 0
    client.hset(f"gridpress:batch:{old.batch_id}", "status", "completed")  # by such a version, which knows no order
    assert world.room(world.batch(precedence(BATCH, None))) == SPARE


def test_a_line_of_an_earlier_version_takes_the_new_place_of_its_batch(client: Client) -> None:
    world = OrderWorld(client)
    first, second = world.batch(precedence(BATCH, None)), world.batch(precedence(BATCH, None))
    world.release(first, 2)
    world.release(second)
    for job in client.zrange("gridpress:jobs:owner", 0, -1):
        client.hdel(f"gridpress:job:{job}", "age_rank")
    world.rank(second, precedence(HIGH, None))
    world.rank(second, precedence(HIGH, 3))
    world.rank(second, precedence(HIGH, None))
    assert is_line_of(world.claimed(1)[0], second.batch_id)
