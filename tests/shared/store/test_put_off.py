"""A record that is broken keeps nothing behind it from its turn, in every list of what is due."""

import pytest

from shared.errors import JobNotFound
from shared.ids import DEFAULT_TENANT, WorkerId
from shared.jobs.states import RenderState, Stage
from shared.store.core.connect import Client
from shared.store.core.fault_counts import FaultCounts
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import LeaseRules, LeaseStore
from tests.shared.store.builders import REVISION, WORKER_ID, finish_next, submitted

pytestmark = pytest.mark.attack

ENDED = LeaseRules(ttl_s=0, prior_ready_limit_min=16)
IN_FORCE = LeaseRules(ttl_s=60, prior_ready_limit_min=16)


def put_off(client: Client) -> list[str]:
    return [name for name in FaultCounts(client).read() if name.startswith("put_off.")]


def test_a_render_without_a_record_that_expires_stops_no_claim_and_no_expiry(client: Client, store: JobStore) -> None:
    late, fresh = submitted(store, start_timeout_s=60), submitted(store)
    client.zadd("gridpress:deadlines", {"job_without_record:0000": 1, f"{late.job_id}:0000": 2})
    claim = LeaseStore(client, IN_FORCE).claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    assert claim.job_id == fresh.job_id
    assert store.job(late.job_id, DEFAULT_TENANT).renders[0].state is RenderState.EXPIRED
    assert put_off(client) == ["put_off.deadlines"]
    assert UpkeepStore(client).expire() == 0  # not again at once


def test_a_broken_render_of_a_dead_worker_stops_no_rescue(client: Client, store: JobStore) -> None:
    jobs = [submitted(store) for _ in range(3)]
    leases = LeaseStore(client, ENDED)
    for _ in jobs:
        assert leases.claim(Stage.AR, REVISION, WORKER_ID)
    client.hdel(f"gridpress:job:{jobs[0].job_id}", "lane", "tenant")
    client.zadd("gridpress:workers:ar", {WorkerId("w"): 1})  # it announced itself once, and lives no more
    UpkeepStore(client).rescue(poison_strikes=5)
    states = [store.job(job.job_id, DEFAULT_TENANT).renders[0].state for job in jobs[1:]]
    assert states == [RenderState.QUEUED] * 2
    assert put_off(client) == ["put_off.leases"]


def test_a_broken_job_stops_no_retention(client: Client, store: JobStore) -> None:
    jobs = [submitted(store) for _ in range(2)]
    for job in jobs:
        finish_next(LeaseStore(client, IN_FORCE))
        client.zrem("gridpress:manifests", job.job_id)
    client.hdel(f"gridpress:job:{jobs[0].job_id}", "n")
    UpkeepStore(client).purge(0)
    with pytest.raises(JobNotFound):
        store.job(jobs[1].job_id, DEFAULT_TENANT)
    assert put_off(client) == ["put_off.finished"]


def test_a_broken_job_lets_others_go_on_without_their_enhanced_prompt(client: Client, store: JobStore) -> None:
    jobs = [submitted(store, enhance_prompt=True) for _ in range(2)]
    client.hdel(f"gridpress:job:{jobs[0].job_id}", "n")
    assert UpkeepStore(client).abandon_enhancements(0) == 1
    claim = LeaseStore(client, IN_FORCE).claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    assert claim.job_id == jobs[1].job_id
