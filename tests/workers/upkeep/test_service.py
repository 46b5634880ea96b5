"""Upkeep over the real store and the real broker: hints, rescue, retention."""

from datetime import UTC, datetime

import pytest

from shared.celery_app import make_celery
from shared.errors import JobNotFound
from shared.hints.queues import Queue, celery_list
from shared.ids import DEFAULT_TENANT, Revision, WorkerId
from shared.jobs.states import Stage
from shared.settings.settings import Settings
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.queues.hints import Hints
from shared.store.queues.upkeep import MOST_PURGED, UpkeepStore
from shared.store.renders.leases import Announcement, LeaseRules, LeaseStore
from shared.store.webhooks.manifests import ManifestStore
from tests.shared.store.builders import REVISION, WORKER_ID, submitted
from workers.upkeep.service import Upkeep

AR_WORKER = Announcement(WORKER_ID, Queue.AR, 2, Revision(""))
EXPIRED = LeaseRules(ttl_s=0, prior_ready_limit_min=16)


@pytest.fixture
def upkeep(client: Client, valkey_url: str) -> Upkeep:
    store = UpkeepStore(client)
    return Upkeep(store, Hints(make_celery(valkey_url), store), Settings(lease_ttl_s=10))


def num_hints(client: Client, queue: Queue) -> int:
    return int(client.llen(celery_list(queue)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("num_waiting", "slots", "num_hints_there", "missing"),
    [(0, 4, 0, 0), (12, 0, 0, 1), (12, 4, 3, 6), (2, 4, 0, 2), (2, 4, 9, 0)],
)
def test_a_queue_is_sent_no_more_hints_than_can_be_used(
    num_waiting: int, slots: int, num_hints_there: int, missing: int, store: JobStore, client: Client, valkey_url: str
) -> None:
    if slots:
        worker = Announcement(WORKER_ID, Queue.AR, slots, Revision(""))
        LeaseStore(client, LeaseRules(ttl_s=60, prior_ready_limit_min=16)).beat(worker, [])
    if num_waiting:
        submitted(store, n=num_waiting)
    for _ in range(num_hints_there):
        client.rpush(celery_list(Queue.AR), "a hint")
    hints = Hints(make_celery(valkey_url), UpkeepStore(client))
    assert hints.top_up(Queue.AR) == missing
    assert num_hints(client, Queue.AR) == num_hints_there + missing


def test_live_slots_and_not_renders_decide_how_many_hints_wait(upkeep: Upkeep, store: JobStore, client: Client) -> None:
    LeaseStore(client, LeaseRules(ttl_s=60, prior_ready_limit_min=16)).beat(AR_WORKER, [])
    submitted(store, n=16)
    for _ in range(3):
        upkeep.run_once(now_s=0)
    assert num_hints(client, Queue.AR) == 2 * AR_WORKER.slots + 1


def test_a_tick_lets_those_compete_whom_the_store_has_lost_sight_of(
    upkeep: Upkeep, store: JobStore, client: Client
) -> None:
    submitted(store)
    client.delete(*client.keys("gridpress:shares:*"), *client.keys("gridpress:since:*"))
    leases = LeaseStore(client, LeaseRules(ttl_s=60, prior_ready_limit_min=16))
    assert leases.claim(Stage.AR, REVISION, WORKER_ID) is None
    upkeep.run_once(now_s=0)
    assert leases.claim(Stage.AR, REVISION, WORKER_ID)


def test_a_lost_hint_is_replaced(upkeep: Upkeep, store: JobStore, client: Client) -> None:
    submitted(store)
    upkeep.run_once(now_s=0)
    client.delete(celery_list(Queue.AR))
    upkeep.run_once(now_s=1)
    assert num_hints(client, Queue.AR) == 1


def test_a_render_of_a_lost_worker_waits_again(upkeep: Upkeep, store: JobStore, client: Client) -> None:
    job = submitted(store)
    LeaseStore(client, EXPIRED).claim(Stage.AR, REVISION, WORKER_ID)
    upkeep.run_once(now_s=100)
    assert store.job(job.job_id, DEFAULT_TENANT).renders[0].state == "queued"


def test_a_render_whose_time_is_over_expires(upkeep: Upkeep, store: JobStore) -> None:
    late, patient = submitted(store, deadline=datetime.now(UTC)), submitted(store)
    upkeep.run_once(now_s=100)
    states = [store.job(job.job_id, DEFAULT_TENANT).renders[0].state for job in (late, patient)]
    assert states == ["expired", "queued"]


def test_a_poisonous_render_fails_after_as_many_strikes_as_the_setting_says(
    upkeep: Upkeep, store: JobStore, client: Client
) -> None:
    job = submitted(store)
    lives = 0
    while not store.job(job.job_id, DEFAULT_TENANT).status.is_final:
        LeaseStore(client, EXPIRED).claim(Stage.AR, REVISION, WorkerId(f"w{lives}"))
        upkeep.run_once(now_s=100)
        lives += 1
    assert lives == 1 + upkeep.settings.poison_strikes


def _deliver_all(client: Client) -> None:
    manifests = ManifestStore(client, lease_ttl_s=60)
    while claim := manifests.claim():
        manifests.written(claim)


def test_a_job_is_kept_until_all_of_it_is_delivered(store: JobStore, client: Client) -> None:
    job = submitted(store)
    store.cancel(job.job_id, DEFAULT_TENANT)
    upkeep = UpkeepStore(client)
    upkeep.purge(retention_s=-1)
    assert store.job(job.job_id, DEFAULT_TENANT)
    _deliver_all(client)
    upkeep.purge(retention_s=-1000)
    with pytest.raises(JobNotFound):
        store.job(job.job_id, DEFAULT_TENANT)
    assert client.keys("gridpress:load:*") == []


def test_finished_jobs_are_forgotten_after_their_retention(store: JobStore, client: Client) -> None:
    old, live = submitted(store), submitted(store)
    store.cancel(old.job_id, DEFAULT_TENANT)
    upkeep = UpkeepStore(client)
    upkeep.purge(retention_s=3600)
    _deliver_all(client)
    assert store.job(old.job_id, DEFAULT_TENANT)
    assert not upkeep.purge(retention_s=-1)
    with pytest.raises(JobNotFound):
        store.job(old.job_id, DEFAULT_TENANT)
    assert [job.job_id for job in store.jobs(DEFAULT_TENANT, limit=9, after=None)] == [live.job_id]
    assert [key for key in client.keys("*") if old.job_id in key] == []


def test_retention_keeps_up_however_many_jobs_end(upkeep: Upkeep, store: JobStore, client: Client) -> None:
    for _ in range(2 * MOST_PURGED + 1):
        store.cancel(submitted(store).job_id, DEFAULT_TENANT)
    _deliver_all(client)
    upkeep.settings = Settings(retention_s=-1)
    for tick in range(3):
        upkeep.run_once(now_s=100 + tick)
    assert client.zcard("gridpress:finished") == 0


@pytest.mark.attack
@pytest.mark.parametrize("step", ["keep_clock", "rescue", "expire", "abandon_enhancements", "heal_shares", "reroute"])
def test_a_step_that_always_fails_keeps_no_other_from_its_work(
    step: str, upkeep: Upkeep, store: JobStore, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(upkeep.store, step, fail)
    submitted(store)
    upkeep.run_once(now_s=0)
    assert num_hints(client, Queue.AR) == 1
