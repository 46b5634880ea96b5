"""A heartbeat leaves out what the store knows of the worker, and tells it again to a store that has lost it."""

import pytest

from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT
from shared.jobs.leases import Progress, RenderReport
from shared.jobs.states import Stage
from shared.schedule.worker_health import WorkerHealth
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.queues.throughput import ThroughputStore
from shared.store.renders import leases as module
from shared.store.renders.leases import Announcement, LeaseStore, Verdict
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, submitted
from tests.shared.store.clocks import StoreClock
from tests.shared.store.commands import num_commands

WORKER = Announcement(WORKER_ID, Queue.AR, 40, REVISION)
WELL = WorkerHealth(silent_s=0.7)  # between two polls


@pytest.fixture
def leases(client: Client) -> LeaseStore:
    return LeaseStore(client, RULES)


def reports(leases: LeaseStore, store: JobStore, num: int) -> list[RenderReport]:
    for _ in range(num):
        submitted(store)
    claims = [leases.claim(Stage.AR, REVISION, WORKER_ID) for _ in range(num)]
    return [RenderReport(claim.lease, Progress(1, 9), in_step=True) for claim in claims if claim]


def commands_of_beats(client: Client, leases: LeaseStore, held: list[RenderReport]) -> list[int]:
    """Three of them; in the third all renders have done a step."""
    later = [RenderReport(each.lease, Progress(2, 9), in_step=True) for each in held]

    def beat(reported: list[RenderReport]) -> int:
        return num_commands(client, lambda: leases.beat(WORKER, reported, ("a line",), WELL))

    return [beat(held), beat(held), beat(later)]


@pytest.mark.usefixtures("still_clock")  # the pulse is stored only now and then
def test_a_short_heartbeat_runs_few_commands(client: Client, leases: LeaseStore, store: JobStore) -> None:
    StoreClock(client)
    leases.beat(WORKER, [])  # each heartbeat also looks whether an operator drains the worker: one command
    one = reports(leases, store, 1)
    _, idle, busy = commands_of_beats(client, leases, one)
    assert (idle, busy) == (11, 16)
    many = reports(leases, store, 32)
    _, idle, busy = commands_of_beats(client, leases, many)
    assert (idle, busy) == (11 + 31, 16 + 31 * 4)


def test_it_renews_and_tells_each_verdict(client: Client, leases: LeaseStore, store: JobStore) -> None:
    held = reports(leases, store, 2)
    leases.beat(WORKER, held)
    client.delete("gridpress:leases")
    store.cancel(store.jobs(DEFAULT_TENANT, limit=9, after=None)[0].job_id, DEFAULT_TENANT)
    verdicts = leases.beat(WORKER, held)
    assert sorted(verdicts.values()) == [Verdict.CANCELLED, Verdict.RENEWED]
    assert client.zcard("gridpress:leases") == 1


def test_a_store_that_lost_the_worker_is_told_all_again(client: Client, leases: LeaseStore) -> None:
    for _ in range(2):
        leases.beat(WORKER, [], ("a line",), WELL)
    client.flushall()
    leases.beat(WORKER, [], ("a line",), WELL)
    assert client.hget("gridpress:slots:ar", WORKER_ID) == "40"
    assert client.exists(f"gridpress:log:{WORKER_ID}")
    assert ThroughputStore(client).signs()[Queue.AR].workers == 1


def test_what_changed_is_told_at_once_and_all_from_time_to_time(
    client: Client, leases: LeaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases.beat(WORKER, [], ("a line",), WELL)
    leases.beat(WORKER, [], ("another line",), WorkerHealth(silent_s=16))
    assert "another" in str(client.get(f"gridpress:log:{WORKER_ID}"))
    assert ThroughputStore(client).signs()[Queue.AR].deaf == 1
    client.hdel("gridpress:slots:ar", WORKER_ID)
    leases.beat(WORKER, [], ("another line",), WorkerHealth(silent_s=16))
    assert not client.exists("gridpress:slots:ar")
    monkeypatch.setattr(module, "_ALL_EVERY_S", 0)
    leases.beat(WORKER, [], ("another line",), WorkerHealth(silent_s=16))
    assert client.hget("gridpress:slots:ar", WORKER_ID) == "40"


def test_a_worker_that_drains_is_open_no_more(client: Client, leases: LeaseStore) -> None:
    leases.beat(WORKER, [])
    assert leases.claim(Stage.AR, REVISION, WORKER_ID) is None
    assert client.exists("gridpress:open:ar:interactive")
    for _ in range(2):
        leases.beat(WORKER, [], signs=WorkerHealth(is_draining=True))
        assert not client.exists("gridpress:open:ar:interactive")
