"""A store whose tenants are in no pool, as one that a release without pools filled: nothing that waits stays unseen."""

import pytest

from shared.access.limits import TenantLimits
from shared.hints.queues import Queue
from shared.ids import TenantId, WorkerId
from shared.jobs.states import Stage
from shared.schedule.sizes import ANY_SIZE, ORDINARY_SIZES, Sizes
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.core.scripts import Scripts
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement, LeaseStore
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_prior, submitted
from tests.shared.store.clocks import StoreClock

MANY_LANES = 150  # more than a small set, which the store always looks at as a whole


def without_pools(client: Client) -> None:
    client.delete(*client.keys("gridpress:shares:*"), *client.keys("gridpress:since:*"), "gridpress:clocks")


def pools(client: Client) -> dict[str, object]:
    return {key: client.zrange(key, 0, -1, withscores=True) for key in client.keys("gridpress:shares:*")}


def claimed(client: Client, stage: Stage) -> int:
    leases = LeaseStore(client, RULES)
    count = 0
    while leases.claim(stage, REVISION, WORKER_ID):
        count += 1
    return count


def test_what_waits_in_both_stages_is_claimed_again(store: JobStore, client: Client) -> None:
    leases = LeaseStore(client, RULES)
    submitted(store, n=2)
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    leases.finish_prior(claim.lease, a_prior())
    without_pools(client)
    assert [claimed(client, stage) for stage in (Stage.AR, Stage.DIT)] == [0, 0]
    assert UpkeepStore(client).heal_shares() == 2
    assert [claimed(client, stage) for stage in (Stage.AR, Stage.DIT)] == [1, 1]


def test_a_store_that_is_whole_is_left_as_it_is(store: JobStore, client: Client) -> None:
    for tenant in ("a", "b"):
        submitted(store, n=2, tenant=TenantId(tenant))
    LeaseStore(client, RULES).claim(Stage.AR, REVISION, WORKER_ID)
    before = pools(client)
    assert UpkeepStore(client).heal_shares() == 0
    assert pools(client) == before


def test_a_tenant_at_its_limit_stays_out_of_the_pools(store: JobStore, client: Client) -> None:
    tenant = TenantId("a")
    KeyStore(client).set_limits(tenant, TenantLimits(concurrent_renders=1))
    submitted(store, n=2, tenant=tenant)
    assert claimed(client, Stage.AR) == 1
    assert UpkeepStore(client).heal_shares() == 0
    assert client.keys("gridpress:shares:*") == []


def test_many_lanes_are_healed_a_part_at_a_time(store: JobStore, client: Client) -> None:
    for number in range(MANY_LANES):
        submitted(store, tenant=TenantId(f"t{number}"))
    without_pools(client)
    looks = [Scripts(client).run("heal_shares", 20) for _ in range(MANY_LANES)]
    assert 0 < looks[0] < MANY_LANES
    assert sum(looks) == MANY_LANES
    assert claimed(client, Stage.AR) == MANY_LANES


CREDIT = "gridpress:credit"


@pytest.mark.parametrize("stage", Stage)
def test_credits_of_kinds_of_workers_that_have_left_are_deleted(
    client: Client, still_clock: None, stage: Stage
) -> None:
    clock, leases, upkeep = StoreClock(client), LeaseStore(client, RULES), UpkeepStore(client)
    kinds = {"small": ORDINARY_SIZES, "medium": Sizes(frozenset({"1536"})), "large": ANY_SIZE}
    workers = {
        name: Announcement(WorkerId(name), Queue(stage), 1, REVISION, sizes=each) for name, each in kinds.items()
    }
    for worker in workers.values():
        leases.beat(worker, [])
    base = f"{stage}:batch|{REVISION}"
    names = {f"{base}|{each.text}" for each in kinds.values()}
    gone = {base, f"{stage}:batch|another|*", f"{base}|2048"}
    client.hset(CREDIT, mapping=dict.fromkeys(names | gone, 1))
    assert upkeep.heal_shares() == 0
    assert set(client.hgetall(CREDIT)) == names
    leases.leave(workers["medium"])
    upkeep.heal_shares()
    assert set(client.hgetall(CREDIT)) == names  # a worker that restarts keeps its credit
    clock.advance(3600)
    upkeep.heal_shares()
    assert set(client.hgetall(CREDIT)) == names - {f"{base}|1536"}


def test_workers_of_an_earlier_release_keep_their_credit(client: Client) -> None:
    LeaseStore(client, RULES).beat(Announcement(WorkerId("old"), Queue.DIT, 1, REVISION), [])
    client.delete("gridpress:sizes:dit")
    names = {f"dit:batch|{REVISION}", f"dit:batch|{REVISION}|"}
    client.hset(CREDIT, mapping=dict.fromkeys(names, 1))
    UpkeepStore(client).heal_shares()
    assert set(client.hgetall(CREDIT)) == {f"dit:batch|{REVISION}"}
