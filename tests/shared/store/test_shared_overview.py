"""Callers of one process share what was read about many tenants, and read anew while there are few."""

import threading
from dataclasses import dataclass, field

import pytest

from shared.ids import TenantId, new_job_id
from shared.jobs.job import Job
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.queues.sharing import SharedRead
from shared.store.queues.throughput import ThroughputStore
from tests.shared.store.builders import a_spec
from tests.shared.store.commands import num_commands

MANY = 210


@dataclass
class Reads:
    """Results in order: how often something was read."""

    is_large: bool
    num: int = 0
    now_s: float = 0.0
    shared: SharedRead[int] = field(init=False)

    def __post_init__(self) -> None:
        self.shared = SharedRead(1.0, lambda _: self.is_large)

    def get(self) -> int:
        return self.shared.get(self.read)

    def read(self) -> int:
        self.num += 1
        return self.num


def reads(patch: pytest.MonkeyPatch, *, is_large: bool) -> Reads:
    found = Reads(is_large)
    patch.setattr("shared.store.queues.sharing.time.monotonic", lambda: found.now_s)
    return found


def test_a_large_result_is_read_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    large = reads(monkeypatch, is_large=True)
    assert [large.get(), large.get()] == [1, 1]
    large.now_s = 1.0
    assert [large.get(), large.get()] == [2, 2]


def test_a_small_result_is_never_old(monkeypatch: pytest.MonkeyPatch) -> None:
    small = reads(monkeypatch, is_large=False)
    assert [small.get(), small.get()] == [1, 2]
    small.is_large = True
    assert [small.get(), small.get()] == [3, 3]


def test_a_failed_read_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    large = reads(monkeypatch, is_large=True)

    def fail() -> int:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        large.shared.get(fail)
    assert large.get() == 1


def test_of_a_crowd_one_reads_and_the_others_wait() -> None:
    large, has_begun, may_end = Reads(is_large=True), threading.Event(), threading.Event()
    large.shared = SharedRead(3600.0, lambda _: True)

    def slow_read() -> int:
        has_begun.set()
        may_end.wait()
        return large.read()

    found: list[int] = []
    crowd = [threading.Thread(target=lambda: found.append(large.shared.get(slow_read))) for _ in range(8)]
    for each in crowd:
        each.start()
    has_begun.wait()
    may_end.set()
    for each in crowd:
        each.join()
    assert found == [1] * 8


def submit(store: JobStore, tenant: str) -> Job:
    return store.submit(new_job_id(), a_spec(tenant=TenantId(tenant)))


def position(pace: ThroughputStore, job: Job) -> int:
    place = pace.place(job)
    assert place
    return place.position


def test_beside_many_tenants_a_place_costs_few_commands(client: Client, store: JobStore) -> None:
    jobs = [submit(store, f"t{number:04}") for number in range(MANY)]
    pace = ThroughputStore(client, reuse_s=3600)
    assert position(pace, jobs[100]) == 100

    places = list[int]()
    assert num_commands(client, lambda: places.append(position(pace, jobs[200]))) < 50
    assert places == [200]


def test_a_shared_overview_lacks_new_jobs_of_others_but_no_own_ones(client: Client, store: JobStore) -> None:
    for number in range(MANY):
        submit(store, f"t{number:04}")
    pace = ThroughputStore(client, reuse_s=3600)
    newest = submit(store, "u")
    assert position(pace, newest) == MANY
    later = [submit(store, "v"), submit(store, "v")]
    assert [position(pace, job) for job in later] == [MANY + 1, MANY + 2]


def test_with_few_tenants_every_place_is_of_now(client: Client, store: JobStore) -> None:
    pace = ThroughputStore(client, reuse_s=3600)
    jobs = []
    for number in range(3):
        jobs.append(submit(store, f"t{number}"))
        assert [position(pace, job) for job in jobs] == list(range(number + 1))


def test_the_load_of_many_waiting_renders_is_shared(client: Client, store: JobStore) -> None:
    fresh, sharing_pace = ThroughputStore(client), ThroughputStore(client, reuse_s=3600)
    for _ in range(2):
        for number in range(63):
            store.submit(new_job_id(), a_spec(n=16, tenant=TenantId(f"t{number}")))
        sharing_pace.loads()
    waiting = [sum(load.waiting for load in pace.loads().values()) for pace in (fresh, sharing_pace)]
    assert waiting == [2 * 63 * 16, 63 * 16]
