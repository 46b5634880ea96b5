"""A broken render at the head of a lane is put aside once, or fails by name; those behind it are claimed meanwhile."""

from collections.abc import Callable

import pytest

from shared.access.limits import Load, TenantLimits
from shared.errors import StoreUnavailable
from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT, Revision, WorkerId
from shared.jobs.job import Job, PriorSource
from shared.jobs.leases import Progress, RenderReport
from shared.jobs.states import RenderState, Stage
from shared.schedule.sizes import ANY_SIZE
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.core.fault_counts import FaultCounts
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement, LeaseStore, Verdict
from shared.store.webhooks.deliveries import DeliveryStore
from tests.shared.store.builders import (
    A_LOT,
    DELIVERY_RULES,
    REVISION,
    RULES,
    WORKER_ID,
    a_picture,
    a_prior,
    a_spec,
    finish_next,
    submitted,
)
from tests.shared.store.commands import num_commands

pytestmark = pytest.mark.attack

Break = Callable[[Client, str, str], object]


def lacks(kind: str, field: str) -> Break:
    return lambda client, job, render: client.hdel(key(kind, job, render), field)


def has(kind: str, field: str, value: str) -> Break:
    return lambda client, job, render: client.hset(key(kind, job, render), field, value)


def is_gone(kind: str) -> Break:
    return lambda client, job, render: client.delete(key(kind, job, render))


def is_a_string(kind: str) -> Break:
    return lambda client, job, render: client.set(key(kind, job, render), "no hash")


def key(kind: str, job: str, render: str) -> str:
    return f"gridpress:{kind}:{render if kind == 'render' else job}"


# What the script itself meets, before it leases anything.
BROKEN = {
    "render_gone": is_gone("render"),
    "render_of_another_type": is_a_string("render"),
    "render_without_job": lacks("render", "job"),
    "render_without_state": lacks("render", "state"),
    "render_in_another_state": has("render", "state", "succeeded"),
    "fence_no_number": has("render", "fence", "x"),
    "times_no_numbers": has("render", "revived_ms", "x"),
    "job_gone": is_gone("job"),
    "job_of_another_type": is_a_string("job"),
    "job_without_lane": lacks("job", "lane"),
    "job_in_another_lane": has("job", "lane", "batch|default|r1"),
    "job_without_rank": lacks("job", "rank"),
    "job_without_status": lacks("job", "status"),
    "job_of_too_many_renders": has("job", "n", "99999999"),
    "cost_no_number": has("job", "ar_cost", "nan"),
    "cost_too_large": has("job", "dit_cost", "9" * 30),
    "limit_no_number": has("job", "execution_timeout_ms", "soon"),
    "url_of_no_host": has("job", "webhook_url", "nowhere"),
    "events_of_another_type": is_a_string("events"),
}
# What is met when the script's answer is read.
UNREADABLE = {
    "spec_no_json": has("job", "spec", "{"),
    "spec_of_nothing": has("job", "spec", "{}"),
    "spec_missing": lacks("job", "spec"),
    "index_no_number": has("render", "index", "x"),
    "seed_missing": lacks("render", "seed"),
}


def waiting_jobs(store: JobStore, leases: LeaseStore, stage: Stage, count: int) -> list[Job]:
    jobs = [submitted(store) for _ in range(count)]
    if stage is Stage.DIT:
        for _ in jobs:
            prior = leases.claim(Stage.AR, REVISION, WORKER_ID)
            assert prior
            leases.finish_prior(prior.lease, a_prior())
    return jobs


def claimed(leases: LeaseStore, stage: Stage) -> list[str]:
    found = []
    while claim := leases.claim(stage, REVISION, WORKER_ID):
        found.append(str(claim.job_id))
    return found


def aside(client: Client) -> list[str]:
    return [member.split(" ")[1] for member in client.zrange("gridpress:aside", 0, -1)]


def break_head(client: Client, job: Job, damage: Break) -> str:
    render = str(job.renders[0].render_id)
    client.delete(f"gridpress:events:{job.job_id}")
    damage(client, job.job_id, render)
    return render


@pytest.fixture
def leases(client: Client) -> LeaseStore:
    return LeaseStore(client, RULES)


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
def test_a_broken_render_is_put_aside_once_and_those_behind_it_are_claimed(
    client: Client, store: JobStore, leases: LeaseStore, stage: Stage, damage: Break
) -> None:
    jobs = waiting_jobs(store, leases, stage, 4)
    broken = [break_head(client, job, damage) for job in jobs[:2]]
    assert claimed(leases, stage) == [job.job_id for job in jobs[2:]]
    assert claimed(leases, stage) == []
    assert aside(client) == broken
    assert FaultCounts(client).read()[f"aside.{stage}"] == 2
    assert client.keys(f"gridpress:waiting:{stage}:*") == client.keys(f"gridpress:lanes:{stage}") == []
    assert client.zrange("gridpress:leases", 0, -1) == sorted(job.renders[0].render_id for job in jobs[2:])


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("damage", UNREADABLE.values(), ids=UNREADABLE)
def test_a_render_whose_claim_cannot_be_read_fails_by_name_and_those_behind_it_are_claimed(
    client: Client, store: JobStore, leases: LeaseStore, stage: Stage, damage: Break
) -> None:
    jobs = waiting_jobs(store, leases, stage, 3)
    render = break_head(client, jobs[0], damage)
    assert claimed(leases, stage) == [job.job_id for job in jobs[1:]]
    known = client.hgetall(f"gridpress:render:{render}")
    assert known["state"] == RenderState.FAILED
    assert '"record_unreadable"' in known["error"]
    assert client.hget(f"gridpress:job:{jobs[0].job_id}", "status") == "failed"
    assert client.zscore("gridpress:leases", render) is None
    assert FaultCounts(client).read()["unreadable.claim"] == 1


@pytest.mark.parametrize("prior", ["x", ""], ids=["broken", "empty"])
def test_a_token_grid_that_cannot_be_read_fails_its_render_by_name(
    client: Client, store: JobStore, leases: LeaseStore, prior: str
) -> None:
    jobs = waiting_jobs(store, leases, Stage.DIT, 2)
    break_head(client, jobs[0], has("render", "prior", prior))
    assert claimed(leases, Stage.DIT) == [jobs[1].job_id]
    failed = store.job(jobs[0].job_id, DEFAULT_TENANT).renders[0]
    assert failed.state is RenderState.FAILED
    assert failed.error
    assert failed.error["code"] == "record_unreadable"


def test_a_render_that_cannot_even_fail_is_held_by_nobody(client: Client, store: JobStore, leases: LeaseStore) -> None:
    jobs = waiting_jobs(store, leases, Stage.AR, 2)
    render = break_head(client, jobs[0], has("job", "spec", "{"))
    client.set(f"gridpress:jobs:{DEFAULT_TENANT}:failed", "no list")
    assert claimed(leases, Stage.AR) == [jobs[1].job_id]
    assert aside(client) == [render]
    assert client.smembers(f"gridpress:held:{WORKER_ID}") == {jobs[1].renders[0].render_id}
    assert client.zrange("gridpress:leases", 0, -1) == [jobs[1].renders[0].render_id]


def test_a_broken_sibling_does_not_keep_its_job_from_its_model(
    client: Client, store: JobStore, leases: LeaseStore
) -> None:
    unpinned = submitted(store, n=3)  # no worker has announced a model, so that the first claim moves all three
    client.set(f"gridpress:render:{unpinned.renders[1].render_id}", "no hash")
    assert claimed(leases, Stage.AR) == [unpinned.job_id] * 2
    assert aside(client) == [unpinned.renders[1].render_id]


def test_a_broken_suspect_is_put_aside_in_its_turn(client: Client, store: JobStore, leases: LeaseStore) -> None:
    jobs = waiting_jobs(store, leases, Stage.AR, 3)
    for job, damage in zip(jobs[:2], (is_gone("render"), is_a_string("job")), strict=True):
        render = break_head(client, job, damage)
        for lane in client.keys("gridpress:waiting:ar:*"):
            client.zrem(lane, render)
        client.zadd("gridpress:quarantine:ar", {render: 1})
    assert claimed(leases, Stage.AR) == [jobs[2].job_id]
    assert len(aside(client)) == 2
    assert client.keys("gridpress:quarantine:*") == []


def test_a_broken_re_render_is_put_aside(client: Client, store: JobStore, leases: LeaseStore) -> None:
    source = PriorSource(a_prior(), REVISION)
    jobs = [store.submit(job.job_id, a_spec(), source=source) for job in _unsent(store, 2)]
    broken = break_head(client, jobs[0], is_gone("render"))
    assert claimed(leases, Stage.DIT) == [jobs[1].job_id]
    assert aside(client) == [broken]
    assert store.load(DEFAULT_TENANT) == Load(0, 1)


def _unsent(store: JobStore, count: int) -> list[Job]:
    """Jobs whose ids are free again."""
    jobs = [submitted(store) for _ in range(count)]
    for job in jobs:
        store.cancel(job.job_id, DEFAULT_TENANT)
        store.delete(job.job_id, DEFAULT_TENANT)
    return jobs


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("kind", ["render", "job"])
def test_what_lane_tenant_and_pool_count_is_right_once_broken_renders_are_aside(
    client: Client, store: JobStore, leases: LeaseStore, stage: Stage, kind: str
) -> None:
    jobs = waiting_jobs(store, leases, stage, 4)
    for job in jobs[:2]:
        break_head(client, job, is_gone(kind))
    assert claimed(leases, stage) == [job.job_id for job in jobs[2:]]
    assert client.keys("gridpress:cost:*") == client.keys(f"gridpress:shares:{stage}:*") == []
    assert store.load(DEFAULT_TENANT) == Load(0, 2)
    assert set(client.hvals("gridpress:ahead")) <= {"0"}
    assert UpkeepStore(client).heal_shares() == 0
    assert UpkeepStore(client).expire() == 0


def test_a_tenant_at_its_limit_is_let_go_by_a_render_that_is_gone(
    client: Client, store: JobStore, leases: LeaseStore
) -> None:
    begun = waiting_jobs(store, leases, Stage.DIT, 1)[0]
    KeyStore(client).set_limits(DEFAULT_TENANT, TenantLimits(concurrent_renders=1))
    behind = submitted(store)
    assert claimed(leases, Stage.AR) == []
    break_head(client, begun, is_gone("render"))
    assert claimed(leases, Stage.DIT) == []
    assert claimed(leases, Stage.AR) == [behind.job_id]


def test_a_batch_whose_credit_would_go_to_a_broken_render_keeps_it(
    client: Client, store: JobStore, leases: LeaseStore
) -> None:
    broken, good = submitted(store, priority="batch"), submitted(store, priority="batch")
    submitted(store)
    client.hset("gridpress:credit", f"ar:batch|{REVISION}|{ANY_SIZE.text}", 1_000_000_000)
    break_head(client, broken, is_gone("job"))
    assert claimed(leases, Stage.AR)[0] == good.job_id


def test_more_broken_renders_than_one_claim_puts_aside_are_gone_after_a_few(
    client: Client, store: JobStore, leases: LeaseStore
) -> None:
    jobs = [submitted(store, n=16) for _ in range(16)]
    for job in jobs[:-1]:
        for render in job.renders:
            client.delete(f"gridpress:render:{render.render_id}")
    found: list[str] = []
    for _ in range(4):
        found += claimed(leases, Stage.AR)
    assert found == [jobs[-1].job_id] * 16
    assert len(aside(client)) == 15 * 16


def test_a_render_is_whole_again_once_its_record_is_mended(client: Client, store: JobStore, leases: LeaseStore) -> None:
    job = submitted(store)
    render = break_head(client, job, has("render", "fence", "x"))
    assert claimed(leases, Stage.AR) == []
    client.hset(f"gridpress:render:{render}", "fence", 0)
    store.cancel(job.job_id, DEFAULT_TENANT)
    assert store.load(DEFAULT_TENANT) == Load(0, 0)
    store.retry(store.job(job.job_id, DEFAULT_TENANT), None)
    finish_next(leases)
    assert store.job(job.job_id, DEFAULT_TENANT).renders[0].state is RenderState.SUCCEEDED


def test_a_worker_that_holds_a_broken_render_goes_on_claiming(
    client: Client, store: JobStore, leases: LeaseStore
) -> None:
    jobs = waiting_jobs(store, leases, Stage.AR, 2)
    assert leases.claim(Stage.AR, REVISION, WORKER_ID)
    break_head(client, jobs[0], is_a_string("render"))
    assert claimed(leases, Stage.AR) == [jobs[1].job_id]


def test_a_claim_costs_the_same_before_ten_thousand_renders_as_before_ten(client: Client, store: JobStore) -> None:
    leases = LeaseStore(client, RULES)

    def cost() -> int:
        return num_commands(client, lambda: leases.claim(Stage.AR, Revision("r1"), WorkerId("w1")))

    submitted(store, n=10)
    cost()  # pins the job, which costs something for each of its siblings
    few = cost()
    lane = client.keys("gridpress:waiting:ar:*")[0]
    head = client.zrange(lane, 0, 0, withscores=True)[0]
    job = submitted(store, n=1)
    client.zadd(lane, {f"{job.job_id}:{number:05d}": head[1] + 1 + number for number in range(10_000)})
    assert cost() == few
    assert few <= 61  # one of them looks whether a page follows the tenant's events


def test_the_dit_claims_nothing_twice_that_stands_in_a_lane_by_mistake(
    client: Client, store: JobStore, leases: LeaseStore
) -> None:
    job = waiting_jobs(store, leases, Stage.DIT, 1)[0]
    lane = client.keys("gridpress:waiting:dit:*")[0]
    claim = leases.claim(Stage.DIT, REVISION, WORKER_ID)
    assert claim
    client.zadd(lane, {job.renders[0].render_id: 1})
    client.zadd(f"gridpress:shares:dit:interactive|{REVISION}", {f"1|{DEFAULT_TENANT}": 0})
    assert claimed(leases, Stage.DIT) == []
    assert client.hvals("gridpress:ahead") == ["0"]
    leases.finish_picture(claim.lease, a_picture())
    assert store.job(job.job_id, DEFAULT_TENANT).renders[0].state is RenderState.SUCCEEDED


@pytest.mark.parametrize("kind", ["render", "job"])
@pytest.mark.parametrize("damage", [is_gone, is_a_string])
def test_a_broken_render_keeps_no_other_from_a_revision_that_is_served(
    client: Client, store: JobStore, leases: LeaseStore, kind: str, damage: Callable[[str], Break]
) -> None:
    client.set("gridpress:revision", "old")
    jobs = [submitted(store) for _ in range(2)]
    leases.beat(Announcement(WORKER_ID, Queue.AR, 1, REVISION), [])
    broken = break_head(client, jobs[0], damage(kind))
    assert UpkeepStore(client).reroute() == 1
    assert claimed(leases, Stage.AR) == [jobs[1].job_id]
    assert aside(client) == [broken]


@pytest.mark.parametrize(("kind", "verdict"), [("render", Verdict.LOST), ("events", Verdict.RENEWED)])
def test_a_broken_render_costs_its_worker_no_other_lease(
    client: Client, store: JobStore, leases: LeaseStore, kind: str, verdict: Verdict
) -> None:
    jobs = waiting_jobs(store, leases, Stage.AR, 2)
    claims = [leases.claim(Stage.AR, REVISION, WORKER_ID) for _ in jobs]
    break_head(client, jobs[0], is_a_string(kind))
    held = [RenderReport(claim.lease, Progress(1, 9), in_step=True) for claim in claims if claim]
    verdicts = leases.beat(Announcement(WORKER_ID, Queue.AR, 2, REVISION), held)
    assert list(verdicts.values()) == [verdict, Verdict.RENEWED]


def test_a_store_without_room_puts_nothing_aside(client: Client, store: JobStore, leases: LeaseStore) -> None:
    broken, good = submitted(store), submitted(store, webhook_url="https://a.example/x")
    break_head(client, broken, is_gone("render"))
    store.cancel(good.job_id, DEFAULT_TENANT)
    deliveries = DeliveryStore(client, DELIVERY_RULES)
    client.config_set("maxmemory", 1_000_000)
    try:
        with pytest.raises(StoreUnavailable):
            leases.claim(Stage.AR, REVISION, WORKER_ID)
        assert len(deliveries.claim(A_LOT)) == 1
    finally:
        client.config_set("maxmemory", 0)
    assert aside(client) == []
    assert FaultCounts(client).read() == {}
