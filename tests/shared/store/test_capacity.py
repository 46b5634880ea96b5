"""When new work is refused: before the store's memory or disk is full, and before too much waits."""

from pathlib import Path
from typing import Any

import pytest

from shared.errors import QueueFull, StoreFull, StoreUnavailable
from shared.ids import DEFAULT_TENANT, TenantId, new_job_id
from shared.jobs.job import PriorSource
from shared.settings.settings import Settings
from shared.store.access.capacity import Capacity
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import LeaseStore
from tests.shared.store.builders import REVISION, RULES, a_prior, a_spec, finish_next, submitted
from tests.shared.store.test_connect import configured


class Clock:
    """A time that passes when the test says so."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def capacity(client: Client, clock: Clock, **settings: Any) -> Capacity:
    return Capacity(client, Settings(**settings), clock)


def test_a_store_with_room_takes_work(client: Client, clock: Clock, tmp_path: Path) -> None:
    with configured(client, "maxmemory", str(2**40)):
        capacity(client, clock, store_dir=tmp_path, min_free_bytes=0).check()


def test_a_store_whose_memory_is_nearly_full_takes_no_more(client: Client, clock: Clock) -> None:
    used = client.info("memory")["used_memory"]
    with configured(client, "maxmemory", str(int(used * 1.05))), pytest.raises(StoreFull, match="memory"):
        capacity(client, clock).check()


def test_a_store_without_a_limit_of_its_own_is_given_one(client: Client, clock: Clock) -> None:
    with pytest.raises(StoreFull, match="memory"):
        capacity(client, clock, max_store_bytes=1_000).check()


def test_a_disk_that_is_nearly_full_takes_no_more(client: Client, clock: Clock, tmp_path: Path) -> None:
    with pytest.raises(StoreFull, match="disk"):
        capacity(client, clock, store_dir=tmp_path, min_free_bytes=2**60).check()


def test_the_queue_is_bounded(client: Client, store: JobStore, clock: Clock) -> None:
    submitted(store, n=3)
    capacity(client, clock, max_queued_renders=4).check()
    with pytest.raises(QueueFull, match="3 renders wait already, and the limit is 3"):
        capacity(client, clock, max_queued_renders=3).check()


@pytest.mark.attack
def test_whatever_waits_counts_through_whichever_door_it_came(
    client: Client, store: JobStore, clock: Clock, tmp_path: Path
) -> None:
    """For AR, for a prompt, as a re-render, of several tenants; what a tenant took back counts no more."""
    submitted(store, n=2)
    submitted(store, n=3, enhance_prompt=True, tenant=TenantId("other"))
    store.submit(new_job_id(), a_spec(n=4), source=PriorSource(a_prior(), REVISION))
    gone = submitted(store, n=5, enhance_prompt=True)
    store.cancel(gone.job_id, DEFAULT_TENANT)
    with pytest.raises(QueueFull, match="9 renders wait already"):
        capacity(client, clock, max_queued_renders=9).check()
    capacity(client, clock, max_queued_renders=10).check()


def test_what_was_begun_waits_no_more(client: Client, store: JobStore, clock: Clock) -> None:
    submitted(store, n=3)
    leases = LeaseStore(client, RULES)
    finish_next(leases)
    with pytest.raises(QueueFull, match="2 renders wait already"):
        capacity(client, clock, max_queued_renders=2).check()


def test_a_tenant_whose_prompts_are_done_is_looked_at_no_more(client: Client, store: JobStore, clock: Clock) -> None:
    job = submitted(store, enhance_prompt=True)
    store.cancel(job.job_id, DEFAULT_TENANT)
    capacity(client, clock)
    assert not client.exists("gridpress:enhancing")


def test_what_was_accepted_since_the_last_look_counts_at_once(client: Client, clock: Clock) -> None:
    house = capacity(client, clock, max_queued_renders=4)
    house.count(4)
    with pytest.raises(QueueFull):
        house.check()


def test_a_look_counts_what_is_there_and_nothing_twice(client: Client, store: JobStore, clock: Clock) -> None:
    house = capacity(client, clock, max_queued_renders=4)
    submitted(store, n=2)
    house.count(2)
    clock.now_s += 1
    house.check()


def test_a_submit_costs_no_round_trip_within_a_second(
    client: Client, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = capacity(client, clock)
    monkeypatch.setattr(client, "info", lambda *_: pytest.fail("asked again"))
    clock.now_s += 0.9
    house.check()


def test_a_store_that_is_away_is_asked_once_a_second(
    client: Client, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, asked = capacity(client, clock), []

    def away(*_: str) -> None:
        asked.append(clock.now_s)
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(client, "info", away)
        for now_s in (1.0, 1.5, 2.0):
            clock.now_s = now_s
            with pytest.raises(StoreUnavailable):
                house.check()
    assert asked == [1.0, 2.0]
    clock.now_s = 3.0
    house.check()
