"""Claims, fences and heartbeats, over the real store and its twin."""

from dataclasses import replace

import pytest

from shared.errors import LeaseLost
from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT, Fence, HolderId, Revision, WorkerId
from shared.jobs.leases import Claim, Progress, RenderReport
from shared.jobs.states import JobStatus, Stage
from shared.store.core.connect import Client
from shared.store.renders.leases import Announcement, LeaseRules, Verdict
from tests.shared.store.builders import REVISION, WORKER_ID, a_picture, a_prior, submitted
from tests.shared.store.world import Leases, World

WORKER = Announcement(WORKER_ID, Queue.AR, 4, REVISION)


@pytest.fixture
def leases(world: World) -> Leases:
    return world.leases


def claimed(leases: Leases, stage: Stage = Stage.AR) -> Claim:
    claim = leases.claim(stage, REVISION, WORKER_ID)
    assert claim
    return claim


def test_nothing_waits_nothing_is_claimed(leases: Leases) -> None:
    assert leases.claim(Stage.AR, REVISION, WORKER_ID) is None
    assert leases.claim(Stage.DIT, REVISION, WORKER_ID) is None


def test_the_oldest_job_goes_first_and_siblings_stay_together(world: World, leases: Leases) -> None:
    jobs = [submitted(world.jobs, n=3).job_id for _ in range(2)]
    order = [(claim.job_id, claim.index) for claim in (claimed(leases) for _ in range(6))]
    assert order == [(job, index) for job in jobs for index in range(3)]


def test_the_dit_stage_receives_the_prior(world: World, leases: Leases) -> None:
    submitted(world.jobs)
    leases.finish_prior(claimed(leases).lease, a_prior(token=9))
    decode = claimed(leases, Stage.DIT)
    assert decode.prior == a_prior(token=9)
    leases.finish_picture(decode.lease, a_picture())


def test_the_dit_stage_is_told_what_computed_the_prior_also_after_a_lost_worker(world: World, leases: Leases) -> None:
    submitted(world.jobs, n=2)
    facts = {"gpu": "NVIDIA H100", "step": "graph"}
    leases.finish_prior(claimed(leases).lease, a_prior(), facts)
    leases.finish_prior(claimed(leases).lease, a_prior())
    claimed(leases, Stage.DIT)
    world.let_leases_end()
    world.rescue()
    again = {claim.index: claim for claim in (claimed(leases, Stage.DIT), claimed(leases, Stage.DIT))}
    assert (again[0].prior_engine, again[1].prior_engine) == (facts, {})


@pytest.mark.parametrize("change", [{"fence": Fence(9)}, {"holder": HolderId("someone else")}])
def test_a_write_needs_both_the_fence_and_the_holder(world: World, leases: Leases, change: dict[str, object]) -> None:
    submitted(world.jobs)
    stale = replace(claimed(leases).lease, **change)  # type: ignore[arg-type]
    for write in (
        lambda: leases.finish_prior(stale, a_prior()),
        lambda: leases.fail(stale, {"code": "x"}),
        lambda: leases.hand_back(stale),
    ):
        with pytest.raises(LeaseLost):
            write()


def test_a_worker_believed_dead_cannot_write_over_its_successor(world: World) -> None:
    job = submitted(world.jobs)
    slow = claimed(world.leases)
    world.let_leases_end()
    assert world.rescue() == (1, 0)
    leases = world.leases
    successor = claimed(leases)
    assert successor.lease.fence > slow.lease.fence
    with pytest.raises(LeaseLost):
        leases.finish_prior(slow.lease, a_prior(token=1))
    leases.finish_prior(successor.lease, a_prior(token=2))
    assert claimed(leases, Stage.DIT).prior == a_prior(token=2)
    assert world.jobs.job(job.job_id, DEFAULT_TENANT).renders[0].attempts == 3


def test_a_lost_dit_worker_never_costs_the_ar_work_again(world: World) -> None:
    submitted(world.jobs)
    leases = world.leases
    leases.finish_prior(claimed(leases).lease, a_prior(token=3))
    claimed(world.leases, Stage.DIT)
    world.let_leases_end()
    world.rescue()
    assert leases.claim(Stage.AR, REVISION, WORKER_ID) is None
    assert claimed(leases, Stage.DIT).prior == a_prior(token=3)


def test_a_repeated_write_is_done_once(world: World, leases: Leases) -> None:
    job = submitted(world.jobs)
    lease = claimed(leases).lease
    leases.finish_prior(lease, a_prior())
    leases.finish_prior(lease, a_prior())
    decode = claimed(leases, Stage.DIT).lease
    assert leases.finish_picture(decode, a_picture()) is True
    leases.finish_picture(decode, a_picture())
    kinds = [event.type for event in world.jobs.events(job.job_id, after="0")]
    assert kinds.count("job.succeeded") == 1


def test_a_handed_back_render_keeps_its_place_and_its_attempts(world: World, leases: Leases) -> None:
    first, _ = submitted(world.jobs), submitted(world.jobs)
    for _ in range(9):
        claim = claimed(leases)
        assert claim.job_id == first.job_id
        leases.hand_back(claim.lease)
    assert world.jobs.job(first.job_id, DEFAULT_TENANT).renders[0].attempts == 0


def test_a_heartbeat_tells_each_render_its_own_verdict(world: World, leases: Leases) -> None:
    cancelled, lost, kept = (submitted(world.jobs) for _ in range(3))
    claims = [claimed(leases) for _ in range(3)]
    assert [claim.job_id for claim in claims] == [cancelled.job_id, lost.job_id, kept.job_id]
    world.jobs.cancel(cancelled.job_id, DEFAULT_TENANT)
    leases.hand_back(claims[1].lease)
    verdicts = leases.beat(WORKER, [RenderReport(claim.lease, Progress(5, 100), in_step=True) for claim in claims])
    assert list(verdicts.values()) == [Verdict.CANCELLED, Verdict.LOST, Verdict.RENEWED]
    assert world.jobs.job(kept.job_id, DEFAULT_TENANT).renders[0].progress == Progress(5, 100)


def test_a_render_that_was_not_begun_has_no_progress(world: World, leases: Leases) -> None:
    job_id = submitted(world.jobs).job_id
    lease = claimed(leases).lease
    seen = []
    for progress in (Progress(0, 0), Progress(0, 100), Progress(1, 100)):
        leases.beat(WORKER, [RenderReport(lease, progress, in_step=True)])
        seen.append(world.jobs.job(job_id, DEFAULT_TENANT).renders[0].progress)
    assert seen == [None, Progress(0, 100), Progress(1, 100)]


def test_a_heartbeat_renews_a_lease_that_had_ended_but_was_not_taken(world: World) -> None:
    submitted(world.jobs)
    claim = claimed(world.leases)
    world.let_leases_end()
    world.leases.beat(WORKER, [RenderReport(claim.lease, Progress(0, 1), in_step=True)])
    assert world.rescue() == (0, 0)


def test_ar_stops_claiming_while_too_many_priors_wait(world: World) -> None:
    leases = world.leases_under(LeaseRules(ttl_s=30, prior_ready_limit_min=2))
    submitted(world.jobs, n=5)
    for _ in range(2):
        leases.finish_prior(claimed(leases).lease, a_prior())
    assert leases.claim(Stage.AR, REVISION, WORKER_ID) is None
    claimed(leases, Stage.DIT)
    assert leases.claim(Stage.AR, REVISION, WORKER_ID) is not None


def test_live_dit_slots_raise_the_limit(world: World) -> None:
    leases = world.leases_under(LeaseRules(ttl_s=30, prior_ready_limit_min=2))
    submitted(world.jobs, n=5)
    for _ in range(2):
        leases.finish_prior(claimed(leases).lease, a_prior())
    dit = Announcement(WorkerId("d"), Queue.DIT, 1, REVISION)
    leases.beat(dit, [])
    assert leases.claim(Stage.AR, REVISION, WORKER_ID) is not None
    leases.leave(dit)
    assert leases.claim(Stage.AR, REVISION, WORKER_ID) is None


def test_nothing_is_kept_of_a_worker_that_died_long_ago(client: Client, still_clock: None) -> None:
    world = World.of_valkey(client)
    world.leases.beat(replace(WORKER, worker_id=WorkerId("killed")), [])
    world.clock.advance(2 * 3600)
    world.leases.beat(WORKER, [])
    assert client.zrange("gridpress:workers:ar", 0, -1) == client.hkeys("gridpress:slots:ar") == [WORKER_ID]


def test_a_job_is_claimed_only_by_workers_of_its_model_revision(world: World, leases: Leases) -> None:
    leases.beat(WORKER, [])
    job = submitted(world.jobs, n=2)
    assert job.revision == ""
    assert leases.claim(Stage.AR, REVISION, WORKER_ID) is not None
    assert world.jobs.job(job.job_id, DEFAULT_TENANT).revision == REVISION
    assert leases.claim(Stage.AR, Revision("r2"), WORKER_ID) is None


def test_a_job_accepted_before_any_worker_is_pinned_with_its_siblings(world: World, leases: Leases) -> None:
    job = submitted(world.jobs, n=3)
    assert job.revision == ""
    first = leases.claim(Stage.AR, Revision("r2"), WORKER_ID)
    assert first
    assert leases.claim(Stage.AR, REVISION, WORKER_ID) is None
    assert leases.claim(Stage.AR, Revision("r2"), WORKER_ID) is not None
    leases.finish_prior(first.lease, a_prior())
    assert leases.claim(Stage.DIT, REVISION, WORKER_ID) is None
    assert leases.claim(Stage.DIT, Revision("r2"), WORKER_ID) is not None
    assert world.jobs.job(job.job_id, DEFAULT_TENANT).revision == "r2"


def test_one_failed_render_fails_its_job_and_spares_its_siblings(world: World, leases: Leases) -> None:
    job = submitted(world.jobs, n=2)
    broken, whole = claimed(leases), claimed(leases)
    assert leases.fail(broken.lease, {"code": "nan_logits", "message": "m", "stage": "ar"}) is False
    leases.finish_prior(whole.lease, a_prior())
    assert leases.finish_picture(claimed(leases, Stage.DIT).lease, a_picture()) is True
    ended = world.jobs.job(job.job_id, DEFAULT_TENANT)
    assert ended.status is JobStatus.FAILED
    assert [render.state for render in ended.renders] == ["failed", "succeeded"]
