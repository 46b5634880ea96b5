"""The stage before AR: leased per job, decided once, and nothing waits in it for ever."""

import pytest

from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT, WorkerId
from shared.jobs.enhancement import Enhancement, EnhancementStatus
from shared.jobs.job import Job
from shared.jobs.spec import Priority
from shared.jobs.states import JobStatus, RenderState, Stage
from shared.store.core.connect import Client
from shared.store.renders.leases import Announcement
from tests.shared.store.answers import all_deliveries
from tests.shared.store.builders import REVISION, WORKER_ID, a_picture, a_prior, submitted
from tests.shared.store.world import World

REVISED = "a red kite over a grey bay"
ERROR = {"code": "timeout", "message": "too late"}
PATIENCE_S = 60


def asked(world: World, n: int = 1, **changes: object) -> Job:
    return submitted(world.jobs, n, enhance_prompt=True, **changes)


def drawn_prompt(world: World) -> str | None:
    claim = world.leases.claim(Stage.AR, REVISION, WORKER_ID)
    return claim.settings.prompt if claim else None


def events(world: World, job: Job) -> list[str]:
    return [event.type for event in world.jobs.events(job.job_id, after="0")]


def test_renders_wait_for_ar_only_once_their_prompt_is_decided(world: World) -> None:
    job = asked(world, n=2)
    assert drawn_prompt(world) is None
    claim = world.enhancements.claim()
    assert claim
    assert (claim.job_id, claim.spec, claim.attempt) == (job.job_id, job.spec, 1)
    assert world.enhancements.succeed(claim, REVISED)
    assert [drawn_prompt(world), drawn_prompt(world)] == [REVISED, REVISED]
    assert [kind for kind in events(world, job) if kind.startswith("job.")] == [
        "job.queued",
        "job.enhancing",
        "job.enhanced",
    ]


def test_both_prompts_stay_readable_and_both_stages_draw_the_revised_one(world: World) -> None:
    job = asked(world)
    claim = world.enhancements.claim()
    assert claim
    world.enhancements.succeed(claim, REVISED)
    prior = world.leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert prior
    world.leases.finish_prior(prior.lease, a_prior())
    decode = world.leases.claim(Stage.DIT, REVISION, WORKER_ID)
    assert decode
    assert decode.settings.prompt == REVISED
    world.leases.finish_picture(decode.lease, a_picture())
    ended = world.job(job.job_id)
    assert (ended.status, ended.spec, ended.revised_prompt) == (JobStatus.SUCCEEDED, job.spec, REVISED)


def test_a_failure_draws_the_prompt_as_it_was_sent_and_says_so(world: World) -> None:
    job = asked(world)
    claim = world.enhancements.claim()
    assert claim
    assert world.enhancements.fail(claim, ERROR)
    assert world.job(job.job_id).enhancement == Enhancement(EnhancementStatus.FAILED, error=ERROR)
    assert drawn_prompt(world) == job.spec.settings.prompt


def test_jobs_that_do_not_ask_never_enter_the_stage(world: World) -> None:
    job = submitted(world.jobs)
    assert world.enhancements.claim() is None
    assert world.job(job.job_id).enhancement is None
    assert drawn_prompt(world) == job.spec.settings.prompt


def test_an_enhanced_job_keeps_the_place_in_the_queue_that_it_came_with(world: World) -> None:
    asked(world)
    world.clock.advance(1)
    later = submitted(world.jobs)
    claim = world.enhancements.claim()
    assert claim
    world.enhancements.succeed(claim, REVISED)
    assert [drawn_prompt(world), drawn_prompt(world)] == [REVISED, later.spec.settings.prompt]


def test_a_lease_that_ended_is_due_again_and_only_the_new_holder_decides(world: World) -> None:
    job = asked(world)
    dead = world.enhancements.claim()
    assert dead
    assert world.enhancements.claim() is None
    world.let_leases_end()
    second = world.enhancements.claim()
    assert second
    assert second.attempt == 2
    assert not world.enhancements.succeed(dead, "from the dead")
    assert world.enhancements.succeed(second, REVISED)
    assert not world.enhancements.fail(second, ERROR), "decided once"
    assert world.job(job.job_id).enhancement == Enhancement(EnhancementStatus.SUCCEEDED, REVISED)
    assert [drawn_prompt(world), drawn_prompt(world)] == [REVISED, None]


def test_a_retry_waits_in_the_store(world: World) -> None:
    asked(world)
    claim = world.enhancements.claim()
    assert claim
    assert world.enhancements.retry_later(claim, 5)
    world.clock.advance(4.9)
    assert world.enhancements.claim() is None
    world.clock.advance(0.1)
    again = world.enhancements.claim()
    assert again
    assert again.attempt == 2


def test_a_lower_class_waits_for_its_handicap_and_no_longer(world: World) -> None:
    batch = asked(world, priority=Priority.BATCH)
    world.clock.advance(1)
    early = asked(world)
    world.clock.advance(Priority.BATCH.handicap_s)
    late = asked(world)
    claims = [world.enhancements.claim() for _ in range(3)]
    assert [claim.job_id for claim in claims if claim] == [early.job_id, batch.job_id, late.job_id]


def test_a_cancelled_job_leaves_the_stage_and_a_late_answer_does_nothing(world: World) -> None:
    job, waiting = asked(world), asked(world)
    claim = world.enhancements.claim()
    assert claim
    for each in (job, waiting):
        world.jobs.cancel(each.job_id, DEFAULT_TENANT)
    assert not world.enhancements.succeed(claim, REVISED)
    world.let_leases_end()
    assert world.enhancements.claim() is None
    ended = world.job(job.job_id)
    assert ended.status is JobStatus.CANCELLED
    assert ended.enhancement
    assert ended.enhancement.error
    assert ended.enhancement.error["code"] == "job_ended"
    assert drawn_prompt(world) is None


def test_a_start_timeout_counts_the_time_in_the_stage(world: World) -> None:
    job = asked(world, start_timeout_s=5)
    world.clock.advance(5)
    world.upkeep.expire()
    assert world.job(job.job_id).renders[0].state is RenderState.EXPIRED
    assert world.enhancements.claim() is None


def test_without_a_worker_a_job_goes_on_with_its_own_prompt(world: World) -> None:
    job = asked(world)
    world.clock.advance(PATIENCE_S - 1)
    assert world.upkeep.abandon_enhancements(PATIENCE_S) == 0
    world.clock.advance(1)
    assert world.upkeep.abandon_enhancements(PATIENCE_S) == 1
    enhancement = world.job(job.job_id).enhancement
    assert enhancement
    assert enhancement.error
    assert enhancement.error["code"] == "no_worker"
    assert drawn_prompt(world) == job.spec.settings.prompt


def test_with_a_live_worker_a_long_queue_is_no_reason_to_give_up(world: World) -> None:
    asked(world)
    world.clock.advance(PATIENCE_S)
    world.leases.beat(Announcement(WorkerId("e"), Queue.ENHANCE, 1, REVISION), [])
    assert world.upkeep.abandon_enhancements(PATIENCE_S) == 0
    assert world.enhancements.claim()


def test_hints_are_counted_for_what_is_due(world: World) -> None:
    for priority in Priority:
        asked(world, priority=priority)
    assert world.upkeep.backlog(Queue.ENHANCE).waiting == len(Priority)
    assert world.upkeep.backlog(Queue.AR).waiting == 0
    world.enhancements.claim()
    assert world.upkeep.backlog(Queue.ENHANCE).waiting == len(Priority) - 1


def test_the_same_submission_again_asks_for_nothing_more(world: World) -> None:
    job = asked(world)
    claim = world.enhancements.claim()
    assert claim
    world.enhancements.succeed(claim, REVISED)
    world.jobs.submit(job.job_id, job.spec)
    assert world.enhancements.claim() is None


def test_nothing_of_the_stage_outlives_a_forgotten_job(world: World, request: pytest.FixtureRequest) -> None:
    job = asked(world)
    world.enhancements.claim()
    world.jobs.cancel(job.job_id, DEFAULT_TENANT)
    all_deliveries(world)
    world.upkeep.purge(retention_s=-1)
    if not request.node.name.endswith("[memory]"):
        client: Client = request.getfixturevalue("client")
        assert client.keys("*nhanc*") == []
        assert [key for key in client.keys("*") if job.job_id in key] == []
