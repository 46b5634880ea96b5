"""What upkeep shows of the real store: all of it, nothing that is unknown, and no revision that is gone."""

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from shared.celery_app import make_celery
from shared.errors import StoreUnavailable
from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT, Revision, TenantId, WorkerId, new_job_id
from shared.jobs.spec import JobSpec, RenderSettings
from shared.jobs.states import Stage
from shared.metrics.page import page_of
from shared.objects.tenant_bucket import TenantBucket
from shared.schedule.sizes import Sizes
from shared.schedule.worker_health import WorkerHealth
from shared.settings.settings import Settings
from shared.store.copies.buckets import BucketStore
from shared.store.copies.copies import CopyRules, CopyStore
from shared.store.core.connect import Client
from shared.store.core.ledger import LedgerStore
from shared.store.core.object_writes import ObjectWrites
from shared.store.jobs.jobs import JobStore
from shared.store.queues.hints import Hints
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement, LeaseRules, LeaseStore
from shared.store.webhooks.deliveries import DeliveryStore
from tests.shared.store import clocks
from tests.shared.store.builders import A_LOT, DELIVERY_RULES, REVISION, RULES, finish_next, submitted
from workers.upkeep import measure
from workers.upkeep.measure import Measuring, bounded
from workers.upkeep.service import Upkeep

AR_WORKER = Announcement(WorkerId("ar-1"), Queue.AR, 2, REVISION)
URL = "https://receiver.example/hook"


@pytest.fixture
def measuring(client: Client) -> Iterator[Measuring]:
    made = Measuring.of(client, Settings())
    yield made
    made.forget()


@pytest.fixture
def still_clock(client: Client) -> Iterator[clocks.StoreClock]:
    with pytest.MonkeyPatch.context() as patch:
        clocks.install(patch)
        yield clocks.StoreClock(client)
    clocks.forget_scripts()


def page() -> dict[str, float]:
    """The metrics page of upkeep: sample with labels -> value."""
    lines = generate_latest(page_of("upkeep")).decode().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if line.startswith("gridpress_")]
    return {name.removeprefix("gridpress_"): float(value) for name, value in pairs}


def measured(measuring: Measuring) -> dict[str, float]:
    measuring._measured_at_s = -math.inf
    measuring.run_once(0)
    return page()


def test_the_stages_are_shown(measuring: Measuring, store: JobStore, client: Client) -> None:
    leases = LeaseStore(client, RULES)
    leases.beat(AR_WORKER, [], signs=WorkerHealth(silent_s=60))
    submitted(store, n=3)
    assert leases.claim(Stage.AR, REVISION, AR_WORKER.worker_id)
    found = measured(measuring)
    shown = {
        name: found[f'stage_{name}{{stage="ar"}}']
        for name in ("waiting", "running", "slots", "workers", "wanted_workers", "stalled")
    }
    assert shown == {"waiting": 2, "running": 1, "slots": 2, "workers": 1, "wanted_workers": 1, "stalled": 0}
    assert found['stage_wanted_workers{stage="dit"}'] == 1
    assert found['stage_deaf_workers{queue="ar"}'] == 1
    assert found['oldest_wait_seconds{stage="ar"}'] >= 0
    assert found['oldest_wait_seconds{stage="dit"}'] == 0


def test_what_is_unknown_is_absent(measuring: Measuring) -> None:
    found = measured(measuring)
    assert not [name for name in found if name.startswith(("stage_backlog_seconds", "unserved_renders"))]
    assert "object_store_writable" not in found
    assert "store_max_bytes" not in found
    assert found["store_used_bytes"] > 0


def test_the_age_of_what_waits_longest_is_shown(measuring: Measuring, store: JobStore, client: Client) -> None:
    submitted(store)
    old = submitted(store)
    client.hincrby(f"gridpress:render:{old.renders[0].render_id}", "queued_ms", -90_000)
    client.zincrby("gridpress:waiting:ar:interactive|default|", -90_000, old.renders[0].render_id)
    assert 90 <= measured(measuring)['oldest_wait_seconds{stage="ar"}'] < 150


def test_the_series_of_a_revision_ends_with_what_waits_for_it(
    measuring: Measuring, store: JobStore, client: Client
) -> None:
    LeaseStore(client, RULES).beat(AR_WORKER, [])
    job = submitted(store)
    LeaseStore(client, RULES).leave(AR_WORKER)
    series = f'unserved_renders{{revision="{REVISION}",stage="ar"}}'
    assert measured(measuring)[series] == 1
    store.cancel(job.job_id, DEFAULT_TENANT)
    assert series not in measured(measuring)


def test_renders_that_are_too_large_for_all_workers_are_counted_by_size(
    measuring: Measuring, store: JobStore, client: Client
) -> None:
    small = replace(AR_WORKER, sizes=Sizes(frozenset()))
    LeaseStore(client, RULES).beat(small, [])
    large = RenderSettings(prompt="a", width_px=2048, height_px=1024)
    job = store.submit(new_job_id(), JobSpec(settings=large, n=2, seed=7))
    series = 'too_large_renders{size_class="1536x1536",stage="ar"}'
    assert measured(measuring)[series] == 2
    store.cancel(job.job_id, DEFAULT_TENANT)
    assert series not in measured(measuring)


def test_only_a_few_revisions_become_labels() -> None:
    found = bounded({f"r{number}": number for number in range(1, 101)})
    assert len(found) == measure.MOST_REVISIONS + 1
    assert found["r100"] == 100
    assert sum(found.values()) == sum(range(101))


@pytest.mark.parametrize(("error", "writable"), [("", 1), ("No space left on device", 0)])
def test_the_test_writes_of_any_upkeep_are_shown(
    measuring: Measuring, client: Client, error: str, writable: int
) -> None:
    ObjectWrites(client).note("" if error else "another error before")
    ObjectWrites(client).note(error)
    assert measured(measuring)["object_store_writable"] == writable


def test_losses_of_the_store_are_counted_once(measuring: Measuring, client: Client) -> None:
    before = measured(measuring)["store_losses_total"]
    LedgerStore(client).note_loss("3 of 7 accepted jobs are gone", 5)
    assert measured(measuring)["store_losses_total"] == before + 1
    assert measured(measuring)["store_losses_total"] == before + 1


def test_webhooks_that_are_due_and_the_oldest_of_them_are_shown(measuring: Measuring, store: JobStore) -> None:
    assert measured(measuring)["deliveries_due"] == 0
    for _ in range(3):
        job = submitted(store, webhook_url=URL)
        store.cancel(job.job_id, DEFAULT_TENANT)
    found = measured(measuring)
    assert found["deliveries_due"] == 3
    assert 0 <= found["delivery_oldest_due_seconds"] < 60


def test_webhooks_under_way_are_not_due(measuring: Measuring, store: JobStore, client: Client) -> None:
    job = submitted(store, webhook_url=URL)
    store.cancel(job.job_id, DEFAULT_TENANT)
    assert DeliveryStore(client, DELIVERY_RULES).claim(A_LOT)
    assert measured(measuring)["deliveries_due"] == 0


def test_dead_letters_are_counted_while_they_are_kept(measuring: Measuring, store: JobStore, client: Client) -> None:
    job = submitted(store)
    for life in range(3):
        LeaseStore(client, LeaseRules(ttl_s=0, prior_ready_limit_min=16)).claim(
            Stage.AR, REVISION, WorkerId(f"w{life}")
        )
        UpkeepStore(client).rescue(poison_strikes=1)
    assert measured(measuring)["dead_letters"] == 1
    store.delete(job.job_id, DEFAULT_TENANT)
    assert measured(measuring)["dead_letters"] == 0
    assert not client.exists("gridpress:dead")


def test_it_measures_every_few_seconds_only(measuring: Measuring, store: JobStore) -> None:
    measuring.run_once(0)
    submitted(store)
    measuring.run_once(measure.EVERY_S - 1)
    assert page()['stage_waiting{stage="ar"}'] == 0
    measuring.run_once(measure.EVERY_S)
    assert page()['stage_waiting{stage="ar"}'] == 1


def test_a_store_that_is_away_leaves_nothing_to_show(
    measuring: Measuring, client: Client, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = UpkeepStore(client)
    upkeep = Upkeep(store, Hints(make_celery(valkey_url), store), Settings(), measuring)
    upkeep.run_once(0)
    before = page()
    assert "stage_waiting" in str(before)

    def fail(*_: object) -> int:
        raise StoreUnavailable("it does not answer")

    monkeypatch.setattr(store, "expire", fail)
    upkeep.run_once(1)
    found = page()
    assert not [name for name in found if name.startswith(("stage_", "store_used", "deliveries", "dead"))]
    assert found["upkeep_last_tick_timestamp_seconds"] == before["upkeep_last_tick_timestamp_seconds"]
    monkeypatch.undo()
    upkeep.run_once(1.5)
    assert "stage_waiting" in str(page())


def test_a_measurement_that_always_fails_keeps_upkeep_from_nothing(
    client: Client, store: JobStore, valkey_url: str, monkeypatch: pytest.MonkeyPatch, measuring: Measuring
) -> None:
    def fail(*_: object) -> int:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(measuring.measures, "_scripts", fail)
    job = submitted(store)
    LeaseStore(client, LeaseRules(ttl_s=0, prior_ready_limit_min=16)).claim(Stage.AR, REVISION, AR_WORKER.worker_id)
    upkeep_store = UpkeepStore(client)
    rescued = page()["upkeep_rescued_total"]
    Upkeep(upkeep_store, Hints(make_celery(valkey_url), upkeep_store), Settings(), measuring).run_once(0)
    assert store.job(job.job_id, DEFAULT_TENANT).renders[0].state is Stage.AR.waiting
    assert page()["upkeep_rescued_total"] == rescued + 1
    assert "dead_letters" not in page()


def test_a_stall_is_logged_at_its_begin_and_its_end_by_one_process(
    client: Client, store: JobStore, still_clock: clocks.StoreClock
) -> None:
    both = [Measuring.of(client, Settings()) for _ in range(2)]
    leases = LeaseStore(client, RULES)
    submitted(store)
    with capture_logs() as logs:
        for number in range(8):
            leases.beat(AR_WORKER, [])
            for each in both:
                measured(each)
            still_clock.advance(5)
            assert page()['stage_stalled{stage="ar"}'] == (number >= 6)
        leases.claim(Stage.AR, Revision(REVISION), AR_WORKER.worker_id)
        for each in both:
            assert measured(each)['stage_stalled{stage="ar"}'] == 0
    assert [entry["event"] for entry in logs] == ["stage.stalled", "stage.moves_again"]


def test_buckets_that_refuse_are_counted_while_something_waits(
    measuring: Measuring, store: JobStore, client: Client
) -> None:
    buckets, copies = BucketStore(client), CopyStore(client, CopyRules())
    for name in ("acme", "globex", "initech"):
        buckets.save(TenantBucket(TenantId(name), f"{name}-pictures"))
        submitted(store, tenant=TenantId(name))
        finish_next(LeaseStore(client, RULES))
    claims = [claim for _ in range(3) if (claim := copies.claim())]
    assert measured(measuring)["buckets_refusing"] == 0
    for claim, outcome in zip(claims, ("refused", "refused", "copied"), strict=True):
        copies.finish(claim, outcome, "no")
    assert measured(measuring)["buckets_refusing"] == 2
    buckets.save(TenantBucket(claims[0].tenant, "mended"))
    assert measured(measuring)["buckets_refusing"] == 1
