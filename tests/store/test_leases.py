"""Claims, fences and heartbeats, over the real store."""

from dataclasses import replace

import pytest

from shared.errors import LeaseLost
from shared.ids import DEFAULT_TENANT, Fence, HolderId, Revision, WorkerId
from shared.jobs import Claim, Progress
from shared.queues import Queue
from shared.states import JobStatus, Stage
from shared.store.connect import Client
from shared.store.jobs import JobStore
from shared.store.leases import Announcement, LeaseRules, LeaseStore, Verdict
from shared.store.upkeep import UpkeepStore
from tests.store.builders import REVISION, RULES, a_picture, a_prior, submitted

WORKER = Announcement(WorkerId("w"), Queue.AR, 4, REVISION)
EXPIRED = LeaseRules(ttl_s=0, prior_ready_limit_min=16)


@pytest.fixture
def leases(client: Client) -> LeaseStore:
    return LeaseStore(client, RULES)


def claimed(leases: LeaseStore, stage: Stage = Stage.AR) -> Claim:
    claim = leases.claim(stage, REVISION)
    assert claim
    return claim


def test_nothing_waits_nothing_is_claimed(leases: LeaseStore) -> None:
    assert leases.claim(Stage.AR, REVISION) is None
    assert leases.claim(Stage.DIT, REVISION) is None


def test_the_oldest_job_goes_first_and_siblings_stay_together(store: JobStore, leases: LeaseStore) -> None:
    jobs = [submitted(store, n=3).job_id for _ in range(2)]
    order = [(claim.job_id, claim.index) for claim in (claimed(leases) for _ in range(6))]
    assert order == [(job, index) for job in jobs for index in range(3)]


def test_the_dit_stage_receives_the_prior_and_it_leaves_the_store_at_the_end(
    store: JobStore, leases: LeaseStore, client: Client
) -> None:
    submitted(store)
    leases.finish_prior(claimed(leases).lease, a_prior(token=9))
    decode = claimed(leases, Stage.DIT)
    assert decode.prior == a_prior(token=9)
    leases.finish_picture(decode.lease, a_picture())
    assert client.hget(f"gridpress:render:{decode.render_id}", "prior") is None


@pytest.mark.parametrize("change", [{"fence": Fence(9)}, {"holder": HolderId("someone else")}])
def test_a_write_needs_both_the_fence_and_the_holder(
    store: JobStore, leases: LeaseStore, change: dict[str, object]
) -> None:
    submitted(store)
    stale = replace(claimed(leases).lease, **change)  # type: ignore[arg-type]
    for write in (
        lambda: leases.finish_prior(stale, a_prior()),
        lambda: leases.fail(stale, {"code": "x"}),
        lambda: leases.hand_back(stale),
    ):
        with pytest.raises(LeaseLost):
            write()


def test_a_worker_believed_dead_cannot_write_over_its_successor(store: JobStore, client: Client) -> None:
    job = submitted(store)
    slow = claimed(LeaseStore(client, EXPIRED))
    assert UpkeepStore(client).rescue(max_attempts=5) == (1, 0)
    leases = LeaseStore(client, RULES)
    successor = claimed(leases)
    assert successor.lease.fence > slow.lease.fence
    with pytest.raises(LeaseLost):
        leases.finish_prior(slow.lease, a_prior(token=1))
    leases.finish_prior(successor.lease, a_prior(token=2))
    assert claimed(leases, Stage.DIT).prior == a_prior(token=2)
    assert store.job(job.job_id, DEFAULT_TENANT).renders[0].attempts == 3


def test_a_lost_dit_worker_never_costs_the_ar_work_again(store: JobStore, client: Client) -> None:
    submitted(store)
    leases = LeaseStore(client, RULES)
    leases.finish_prior(claimed(leases).lease, a_prior(token=3))
    claimed(LeaseStore(client, EXPIRED), Stage.DIT)
    UpkeepStore(client).rescue(max_attempts=5)
    assert leases.claim(Stage.AR, REVISION) is None
    assert claimed(leases, Stage.DIT).prior == a_prior(token=3)


def test_a_repeated_write_is_done_once(store: JobStore, leases: LeaseStore) -> None:
    job = submitted(store)
    lease = claimed(leases).lease
    leases.finish_prior(lease, a_prior())
    leases.finish_prior(lease, a_prior())
    decode = claimed(leases, Stage.DIT).lease
    assert leases.finish_picture(decode, a_picture()) is True
    leases.finish_picture(decode, a_picture())
    kinds = [event.type for event in store.events(job.job_id, after="0", block_s=0.01)]
    assert kinds.count("job.succeeded") == 1


def test_too_many_lost_workers_end_the_render_by_name(store: JobStore, client: Client) -> None:
    job = submitted(store)
    for _ in range(2):
        claimed(LeaseStore(client, EXPIRED))
        UpkeepStore(client).rescue(max_attempts=2)
    render = store.job(job.job_id, DEFAULT_TENANT).renders[0]
    assert render.state == "failed"
    assert render.error
    assert render.error["code"] == "worker_lost"


def test_a_handed_back_render_keeps_its_place_and_its_attempts(store: JobStore, leases: LeaseStore) -> None:
    first, _ = submitted(store), submitted(store)
    for _ in range(9):
        claim = claimed(leases)
        assert claim.job_id == first.job_id
        leases.hand_back(claim.lease)
    assert store.job(first.job_id, DEFAULT_TENANT).renders[0].attempts == 0


def test_a_heartbeat_tells_each_render_its_own_verdict(store: JobStore, client: Client, leases: LeaseStore) -> None:
    cancelled, lost, kept = (submitted(store) for _ in range(3))
    claims = [claimed(leases) for _ in range(3)]
    assert [claim.job_id for claim in claims] == [cancelled.job_id, lost.job_id, kept.job_id]
    store.cancel(cancelled.job_id, DEFAULT_TENANT)
    leases.hand_back(claims[1].lease)
    verdicts = leases.beat(WORKER, [(claim.lease, Progress(5, 100)) for claim in claims])
    assert list(verdicts.values()) == [Verdict.CANCELLED, Verdict.LOST, Verdict.RENEWED]
    assert store.job(kept.job_id, DEFAULT_TENANT).renders[0].progress == Progress(5, 100)


def test_a_render_that_was_not_begun_has_no_progress(store: JobStore, leases: LeaseStore) -> None:
    job_id = submitted(store).job_id
    lease = claimed(leases).lease
    seen = []
    for progress in (Progress(0, 0), Progress(0, 100), Progress(1, 100)):
        leases.beat(WORKER, [(lease, progress)])
        seen.append(store.job(job_id, DEFAULT_TENANT).renders[0].progress)
    assert seen == [None, Progress(0, 100), Progress(1, 100)]


def test_a_heartbeat_renews_a_lease_that_had_ended_but_was_not_taken(store: JobStore, client: Client) -> None:
    submitted(store)
    claim = claimed(LeaseStore(client, EXPIRED))
    LeaseStore(client, RULES).beat(WORKER, [(claim.lease, Progress(0, 1))])
    assert UpkeepStore(client).rescue(max_attempts=5) == (0, 0)


def test_ar_stops_claiming_while_too_many_priors_wait(store: JobStore, client: Client) -> None:
    leases = LeaseStore(client, LeaseRules(ttl_s=30, prior_ready_limit_min=2))
    submitted(store, n=5)
    for _ in range(2):
        leases.finish_prior(claimed(leases).lease, a_prior())
    assert leases.claim(Stage.AR, REVISION) is None
    claimed(leases, Stage.DIT)
    assert leases.claim(Stage.AR, REVISION) is not None


def test_live_dit_slots_raise_the_limit(store: JobStore, client: Client) -> None:
    leases = LeaseStore(client, LeaseRules(ttl_s=30, prior_ready_limit_min=2))
    submitted(store, n=5)
    for _ in range(2):
        leases.finish_prior(claimed(leases).lease, a_prior())
    dit = Announcement(WorkerId("d"), Queue.DIT, 1, REVISION)
    leases.beat(dit, [])
    assert leases.claim(Stage.AR, REVISION) is not None
    leases.leave(dit)
    assert leases.claim(Stage.AR, REVISION) is None


def test_a_job_is_claimed_only_by_workers_of_its_model_revision(store: JobStore, leases: LeaseStore) -> None:
    leases.beat(WORKER, [])
    job = submitted(store)
    assert job.revision == REVISION
    assert leases.claim(Stage.AR, Revision("r2")) is None
    assert leases.claim(Stage.AR, REVISION) is not None


def test_a_job_accepted_before_any_worker_is_pinned_with_its_siblings(store: JobStore, leases: LeaseStore) -> None:
    job = submitted(store, n=3)
    assert job.revision == ""
    first = leases.claim(Stage.AR, Revision("r2"))
    assert first
    assert leases.claim(Stage.AR, REVISION) is None
    assert leases.claim(Stage.AR, Revision("r2")) is not None
    leases.finish_prior(first.lease, a_prior())
    assert leases.claim(Stage.DIT, REVISION) is None
    assert leases.claim(Stage.DIT, Revision("r2")) is not None
    assert store.job(job.job_id, DEFAULT_TENANT).revision == "r2"


def test_one_failed_render_fails_its_job_and_spares_its_siblings(store: JobStore, leases: LeaseStore) -> None:
    job = submitted(store, n=2)
    broken, whole = claimed(leases), claimed(leases)
    assert leases.fail(broken.lease, {"code": "nan_logits", "message": "m", "stage": "ar"}) is False
    leases.finish_prior(whole.lease, a_prior())
    assert leases.finish_picture(claimed(leases, Stage.DIT).lease, a_picture()) is True
    ended = store.job(job.job_id, DEFAULT_TENANT)
    assert ended.status is JobStatus.FAILED
    assert [render.state for render in ended.renders] == ["failed", "succeeded"]
