"""Latents of unfinished renders: who is told of them, and that each stored object comes up for deletion once."""

import pytest

from shared.errors import LeaseLost
from shared.ids import DEFAULT_TENANT, ObjectKey, WorkerId
from shared.jobs.leases import Claim, Handover
from shared.jobs.states import Stage
from shared.store.core.connect import Client
from tests.shared.store.builders import REVISION, WORKER_ID, a_picture, a_prior, submitted
from tests.shared.store.world import World

KEPT_S = 100.0


def begun(world: World) -> Claim:
    """A render in the DiT."""
    submitted(world.jobs)
    claim = world.leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    world.leases.finish_prior(claim.lease, a_prior())
    return claimed(world)


def claimed(world: World) -> Claim:
    claim = world.leases.claim(Stage.DIT, REVISION, WorkerId("another"))
    assert claim
    return claim


def hand_over(world: World, claim: Claim, num_done: int = 3) -> Handover:
    handover = Handover(ObjectKey(f"{claim.folder}/latents"), "digest", num_done)
    world.leases.keep_handover(handover.key, KEPT_S)
    world.leases.hand_back(claim.lease, handover)
    return handover


def test_the_next_claim_is_told_of_the_latents_and_no_attempt_is_counted(world: World) -> None:
    first = begun(world)
    handover = hand_over(world, first)
    attempts = world.job(first.job_id).renders[0].attempts
    again = claimed(world)
    assert (first.handover, again.handover) == (None, handover)
    assert world.job(first.job_id).renders[0].attempts == attempts + 1
    assert world.handovers.ended(10) == []


def test_a_lost_lease_hands_nothing_over(world: World) -> None:
    first = begun(world)
    world.leases.hand_back(first.lease)
    second = claimed(world)
    with pytest.raises(LeaseLost):
        hand_over(world, first)
    world.leases.hand_back(second.lease)
    assert claimed(world).handover is None


@pytest.mark.parametrize("end", ["succeeded", "failed", "cancelled"])
def test_latents_are_deleted_as_soon_as_their_render_ends(world: World, end: str) -> None:
    handover = hand_over(world, begun(world))
    claim = claimed(world)
    assert world.handovers.ended(10) == []
    if end == "cancelled":
        world.jobs.cancel(claim.job_id, DEFAULT_TENANT)
    elif end == "failed":
        world.leases.fail(claim.lease, {"code": "x", "stage": "dit"})
    else:
        world.leases.finish_picture(claim.lease, a_picture())
    assert world.handovers.ended(10) == [handover.key]
    world.handovers.forget(handover.key)
    assert world.handovers.ended(10) == []


def test_latents_whose_time_is_over_are_deleted_and_no_claim_is_told_of_them(world: World) -> None:
    handover = hand_over(world, begun(world))
    world.clock.advance(KEPT_S)
    assert world.handovers.ended(10) == [handover.key]
    assert claimed(world).handover is None


def test_latents_that_were_stored_for_nothing_are_deleted_in_time(world: World) -> None:
    """Their worker was killed before it could hand its render back."""
    world.leases.keep_handover(ObjectKey("jobs/job_x/0000/h/latents"), KEPT_S)
    assert world.handovers.ended(10) == []
    world.clock.advance(KEPT_S)
    assert world.handovers.ended(10) == ["jobs/job_x/0000/h/latents"]


def test_a_second_hand_over_replaces_the_first(world: World) -> None:
    first = hand_over(world, begun(world), 3)
    second = hand_over(world, claimed(world), 7)
    assert world.handovers.ended(10) == [first.key]
    assert claimed(world).handover == second


def test_a_crash_after_a_hand_over_goes_on_from_the_same_latents(world: World) -> None:
    handover = hand_over(world, begun(world))
    claimed(world)
    world.let_leases_end()
    world.rescue()
    assert claimed(world).handover == handover


def test_facts_that_cannot_be_read_cost_the_steps_and_not_the_render(client: Client) -> None:
    world = World.of_valkey(client)
    first = begun(world)
    hand_over(world, first)
    client.hset(f"gridpress:render:{first.render_id}", "handover_facts", "{broken")
    assert claimed(world).handover is None
