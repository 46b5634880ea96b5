"""A poisonous render hurts nobody else, and a foreign kill -9 condemns no one."""

import pytest

from shared.errors import DeadLetterNotFound
from shared.ids import DEFAULT_TENANT, TenantId
from shared.jobs.job import Job, Render
from shared.jobs.leases import Progress
from shared.jobs.states import RenderState, Stage
from tests.shared.store.builders import submitted
from tests.shared.store.crashes import TOTAL, Worker
from tests.shared.store.world import World

STRIKES = 5


def render_of(world: World, job: Job) -> Render:
    return world.job(job.job_id).renders[0]


def killed_alone(world: World, times: int, done: int = 7, stage: Stage = Stage.AR) -> None:
    """The same render takes `times` workers with it, each at the same step."""
    for life in range(times):
        worker = Worker(world, f"{stage}-{life}", stage)
        assert worker.take()
        worker.beat(done, log_lines=(f"life {life}",))
        worker.die()


def poisoned(world: World) -> Job:
    """The first crash has no earlier attempt to compare with, so it is no strike."""
    job = submitted(world.jobs)
    killed_alone(world, 1 + STRIKES)
    return job


def test_a_render_that_kills_its_worker_alone_and_again_fails_as_poison(world: World) -> None:
    job = submitted(world.jobs)
    killed_alone(world, STRIKES)
    assert render_of(world, job).state is RenderState.QUEUED
    killed_alone(world, 1)
    render = render_of(world, job)
    assert render.state is RenderState.FAILED
    assert render.error
    assert (render.error["code"], render.error["stage"]) == ("poison", "ar")


def test_a_render_that_got_further_each_time_is_never_condemned(world: World) -> None:
    """Somebody switches machines off; the render is not to blame, however often it happens."""
    job = submitted(world.jobs)
    for life in range(3 * STRIKES):
        killed_alone(world, 1, done=life)
    assert render_of(world, job).state is RenderState.QUEUED
    assert Worker(world, "calm").take()


def test_finishing_a_stage_clears_the_record(world: World) -> None:
    job = submitted(world.jobs)
    killed_alone(world, STRIKES)
    prior = Worker(world, "lucky")
    prior.take()
    prior.finish()
    killed_alone(world, STRIKES, stage=Stage.DIT)
    assert render_of(world, job).state is RenderState.PRIOR_READY


def test_a_render_that_was_not_in_the_step_is_no_suspect(world: World) -> None:
    job = submitted(world.jobs)
    for life in range(2 * STRIKES):
        worker = Worker(world, f"w{life}")
        worker.take()
        worker.beat(in_step=False)
        worker.die()
    assert render_of(world, job).state is RenderState.QUEUED
    assert Worker(world, "calm").take()


def test_a_render_that_was_being_admitted_is_a_suspect(world: World) -> None:
    job = submitted(world.jobs)
    for life in range(1 + STRIKES):
        worker = Worker(world, f"w{life}")
        worker.take()
        worker.die()
    assert render_of(world, job).state is RenderState.FAILED


def test_a_worker_that_left_in_peace_or_forgot_a_render_is_no_crash(world: World) -> None:
    job = submitted(world.jobs)
    for life in range(2 * STRIKES):
        worker = Worker(world, f"w{life}")
        worker.take()
        worker.claims.clear()
        world.let_leases_end()
        worker.beat()  # alive, but it knows nothing of this render any more
        assert world.rescue() == (1, 0)
    assert render_of(world, job).state is RenderState.QUEUED


def test_one_poison_among_many_is_found_and_everybody_else_ends(world: World) -> None:
    """Whatever steps together with the poison dies with it, at the poison's own step. Four workers share a backlog."""
    jobs = [submitted(world.jobs) for _ in range(12)]
    poison = jobs[3].renders[0].render_id
    lives = 0
    while any(not render_of(world, job).state.is_final for job in jobs):
        lives += 1
        assert lives < 60, "every round ends somebody or parts the suspects"
        for stage in Stage:
            workers = [Worker(world, f"{stage}-{lives}-{i}", stage) for i in range(4)]
            for worker in workers:
                worker.beat()
            for worker in workers:
                worker.take(most=4)
            for worker in workers:
                worker.beat(done=5 if poison in worker.held_ids else TOTAL)
                if poison in worker.held_ids:
                    worker.claims.clear()
                else:
                    worker.finish()
            world.let_leases_end()
            world.rescue()
    states = [render_of(world, job).state for job in jobs]
    assert states.count(RenderState.SUCCEEDED) == len(jobs) - 1
    assert render_of(world, jobs[3]).error
    letter = world.dead_letters.letter(poison, DEFAULT_TENANT)
    assert all(crash.was_alone for crash in letter.crashes[-STRIKES:])


def test_suspects_of_two_crashes_are_retried_in_halves_and_alone_on_their_worker(world: World) -> None:
    submitted(world.jobs, n=4)
    for life in range(2):
        worker = Worker(world, f"w{life}")
        worker.take()
        worker.die()
    fresh = submitted(world.jobs).renders[0].render_id
    other, quarantine = Worker(world, "other"), Worker(world, "quarantine")
    assert [claim.render_id for claim in other.take(1)] == [fresh]
    assert len(quarantine.take()) == 2
    assert len(other.take()) == 0, "what it holds would die with the other half"
    other.finish()
    assert len(other.take()) == 0, "one worker of a stage at a time"
    quarantine.finish()
    assert len(other.take()) == 2


def test_two_groups_run_at_once_on_half_of_four_workers_while_others_go_on(world: World) -> None:
    submitted(world.jobs, n=4)
    for life in range(2):
        worker = Worker(world, f"w{life}")
        worker.take()
        worker.die()
    fresh = {submitted(world.jobs).renders[0].render_id for _ in range(2)}
    workers = [Worker(world, f"live{i}") for i in range(4)]
    for each in workers:
        each.beat()
    taken = [{claim.render_id for claim in each.take(2)} for each in workers]
    assert [len(claims) for claims in taken if claims and not claims & fresh] == [2, 2]
    assert set().union(*taken) >= fresh


def test_an_empty_worker_takes_the_place_of_one_that_is_let_run_empty(world: World) -> None:
    """Which may be long in a big render, or drain and never ask again."""
    suspect = submitted(world.jobs).renders[0].render_id
    for _ in range(2):
        killed_alone(world, 1, done=0)
    submitted(world.jobs, n=9)
    busy, empty = Worker(world, "busy"), Worker(world, "empty")
    busy.take(1)
    busy.beat()
    world.clock.advance(5)
    assert busy.take() == []
    empty.beat()
    assert [claim.render_id for claim in empty.take()] == [suspect]
    assert len(busy.take(1)) == 1


def test_with_a_single_worker_suspects_and_others_take_turns(world: World) -> None:
    suspects = {render.render_id for render in submitted(world.jobs, n=2).renders}
    for life in range(2):
        worker = Worker(world, f"w{life}")
        worker.take()
        worker.die()
    single, seen = Worker(world, "single"), []
    for _ in range(30):
        submitted(world.jobs, n=2)
        single.beat()
        single.take(2 - len(single.claims))
        assert len({claim.render_id in suspects for claim in single.claims}) <= 1, "never side by side"
        seen += single.held_ids
        single.finish()
        world.clock.advance(1)
    assert suspects <= set(seen), "suspects do not starve"
    assert len(set(seen)) > 2 * len(suspects), "nor do others"


def test_a_busy_worker_is_let_run_empty_for_suspects_that_waited(world: World) -> None:
    suspect = submitted(world.jobs).renders[0].render_id
    for _ in range(2):
        killed_alone(world, 1, done=0)
    submitted(world.jobs, n=9)
    busy = Worker(world, "busy")
    busy.take(2)
    world.clock.advance(5)
    busy.beat()
    assert busy.take() == []
    busy.finish()
    assert [claim.render_id for claim in busy.take()] == [suspect]


def test_a_hand_back_keeps_a_suspect_in_quarantine(world: World) -> None:
    submitted(world.jobs, n=2)
    for life in range(2):
        worker = Worker(world, f"w{life}")
        worker.take()
        worker.die()
    first = Worker(world, "first")
    (claim,) = first.take()
    world.leases.hand_back(claim.lease)
    submitted(world.jobs)
    assert len(Worker(world, "next").take()) == 1


def test_a_dead_letter_tells_what_happened(world: World) -> None:
    job = poisoned(world)
    (letter,) = world.dead_letters.letters(DEFAULT_TENANT, limit=9, after=None)
    assert (letter.job_id, letter.index, letter.stage, letter.strikes) == (job.job_id, 0, Stage.AR, STRIKES)
    assert len(letter.crashes) == 1 + STRIKES
    last = letter.crashes[-1]
    assert last.worker_id == f"ar-{STRIKES}"
    assert (last.steps, last.was_alone, last.log_lines) == (Progress(7, TOTAL), True, (f"life {STRIKES}",))
    assert last.at == letter.died_at > letter.crashes[0].at


def test_dead_letters_are_their_tenants_own(world: World) -> None:
    render_id = poisoned(world).renders[0].render_id
    other = TenantId("other")
    assert world.dead_letters.letters(other, limit=9, after=None) == []
    for act in (world.dead_letters.letter, world.dead_letters.requeue, world.dead_letters.purge):
        with pytest.raises(DeadLetterNotFound):
            act(render_id, other)


def test_pages_of_dead_letters_are_newest_first(world: World) -> None:
    ids = [poisoned(world).renders[0].render_id for _ in range(3)]
    first = world.dead_letters.letters(DEFAULT_TENANT, limit=2, after=None)
    second = world.dead_letters.letters(DEFAULT_TENANT, limit=2, after=first[-1].render_id)
    assert [letter.render_id for letter in (*first, *second)] == ids[::-1]


@pytest.mark.parametrize("stage", list(Stage))
def test_a_requeued_letter_starts_over_in_its_stage_and_may_succeed(world: World, stage: Stage) -> None:
    job = submitted(world.jobs, n=2)
    ar = Worker(world, "ar")
    if stage is Stage.DIT:
        ar.take()
        ar.finish()
        sibling = Worker(world, "sibling", Stage.DIT)
        sibling.take(1)
        sibling.finish()
    else:
        ar.take(1)
        ar.finish()
    killed_alone(world, 1 + STRIKES, stage=stage)
    (letter,) = world.dead_letters.letters(DEFAULT_TENANT, limit=9, after=None)
    world.dead_letters.requeue(letter.render_id, DEFAULT_TENANT)
    assert world.job(job.job_id).renders[letter.index].state is stage.waiting
    assert world.dead_letters.letters(DEFAULT_TENANT, limit=9, after=None) == []
    killed_alone(world, STRIKES, stage=stage)
    for each in (Stage.AR, Stage.DIT):
        worker = Worker(world, f"last-{each}", each)
        worker.take()
        worker.finish()
    assert world.job(job.job_id).status == "succeeded"


def test_a_purged_letter_is_gone_and_its_render_stays_failed(world: World) -> None:
    job = poisoned(world)
    world.dead_letters.purge(job.renders[0].render_id, DEFAULT_TENANT)
    assert world.dead_letters.letters(DEFAULT_TENANT, limit=9, after=None) == []
    assert render_of(world, job).state is RenderState.FAILED
