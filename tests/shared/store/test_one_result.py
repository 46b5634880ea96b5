"""A render that ran twice is committed once: one result, one final event, one webhook id."""

import pytest

from shared.errors import LeaseLost
from shared.ids import DEFAULT_TENANT
from shared.jobs.leases import Claim
from shared.jobs.states import Stage
from tests.shared.store.answers import all_deliveries
from tests.shared.store.builders import A_LOT, AN_ATTEMPT, a_picture, a_prior, message_id, submitted
from tests.shared.store.crashes import Worker
from tests.shared.store.world import World

WEBHOOK = {"webhook_url": "https://a.example/", "n": 1}


def decoding(world: World) -> Claim:
    ar = Worker(world, "ar")
    ar.take()
    ar.finish()
    (claim,) = Worker(world, "dit", Stage.DIT).take()
    return claim


def final_events(world: World, claim: Claim) -> list[str]:
    events = world.jobs.events(claim.job_id, after="0")
    return [event.type for event in events if event.type == "job.succeeded"]


def check_told_once(world: World, claim: Claim) -> None:
    assert final_events(world, claim) == ["job.succeeded"]
    assert all_deliveries(world) == [claim.job_id, message_id(claim.job_id, "succeeded")]
    world.clock.advance(1_000)
    assert all_deliveries(world) == []


def test_a_write_whose_answer_was_lost_is_repeated_in_vain(world: World) -> None:
    submitted(world.jobs, **WEBHOOK)
    claim = decoding(world)
    for _ in range(3):
        world.leases.finish_picture(claim.lease, a_picture())
    check_told_once(world, claim)


def test_a_worker_believed_dead_and_its_successor_make_one_result(world: World) -> None:
    submitted(world.jobs, **WEBHOOK)
    slow = decoding(world)
    world.let_leases_end()
    world.rescue()
    (successor,) = Worker(world, "successor", Stage.DIT).take()
    with pytest.raises(LeaseLost):
        world.leases.finish_picture(slow.lease, a_picture())
    world.leases.finish_picture(successor.lease, a_picture())
    with pytest.raises(LeaseLost):
        world.leases.finish_picture(slow.lease, a_picture())
    check_told_once(world, successor)


def test_a_stage_that_is_finished_again_does_not_run_again(world: World) -> None:
    submitted(world.jobs, **WEBHOOK)
    ar = Worker(world, "ar")
    (claim,) = ar.take()
    for _ in range(2):
        world.leases.finish_prior(claim.lease, a_prior())
    dit = Worker(world, "dit", Stage.DIT)
    (decode,) = dit.take()
    assert dit.take() == []
    dit.finish()
    check_told_once(world, decode)


def test_a_job_submitted_twice_is_made_once(world: World) -> None:
    job = submitted(world.jobs, **WEBHOOK)
    world.jobs.submit(job.job_id, job.spec)
    claim = decoding(world)
    world.jobs.submit(job.job_id, job.spec)
    world.leases.finish_picture(claim.lease, a_picture())
    world.jobs.submit(job.job_id, job.spec)
    check_told_once(world, claim)


def test_cancelling_after_the_end_tells_nothing_more(world: World) -> None:
    submitted(world.jobs, **WEBHOOK)
    claim = decoding(world)
    world.leases.finish_picture(claim.lease, a_picture())
    world.jobs.cancel(claim.job_id, DEFAULT_TENANT)
    check_told_once(world, claim)


def test_a_delivery_that_was_taken_over_cannot_be_ended_by_its_first_holder(world: World) -> None:
    submitted(world.jobs, **WEBHOOK)
    claim = decoding(world)
    world.leases.finish_picture(claim.lease, a_picture())
    [slow] = world.deliveries.claim(A_LOT)
    world.clock.advance(1_000)
    [successor] = world.deliveries.claim(A_LOT)
    assert (slow.message_id, successor.attempt) == (successor.message_id, 2)
    assert not world.deliveries.delivered(slow, AN_ATTEMPT)
    assert world.deliveries.retry_later(successor, AN_ATTEMPT, 5)
    assert world.deliveries.claim(A_LOT) == []


def test_a_manifest_that_was_taken_over_cannot_be_ended_by_its_first_holder(world: World) -> None:
    submitted(world.jobs)
    claim = decoding(world)
    world.leases.finish_picture(claim.lease, a_picture())
    slow = world.manifests.claim()
    world.clock.advance(1_000)
    successor = world.manifests.claim()
    assert slow
    assert successor
    assert (slow.job_id, successor.attempt) == (successor.job_id, 2)
    assert not world.manifests.written(slow)
    assert world.manifests.retry_later(successor, "later", 5)
    assert world.manifests.claim() is None
