"""Every claim names the request behind it; a record without one that can be read is claimed as well."""

import pytest

from shared.batches.batch import BatchSpec, new_batch_id
from shared.files import FileId
from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT, JobId, WorkerId, new_job_id
from shared.jobs.leases import Claim
from shared.jobs.states import Stage
from shared.store.batches.batches import BatchStore
from shared.store.core.connect import Client
from shared.store.enhancements.enhancements import EnhancementStore
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement, LeaseStore
from shared.store.webhooks.deliveries import DeliveryStore
from shared.store.webhooks.manifests import ManifestStore
from shared.tracing.origin import Origin, Trace
from tests.shared.store.builders import A_LOT, DELIVERY_RULES, REVISION, RULES, WORKER_ID, a_picture, a_prior, a_spec

ORIGIN = Origin("shop-4711", Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", is_sampled=True))
LATER = Origin("shop-4712")


@pytest.fixture
def leases(client: Client) -> LeaseStore:
    return LeaseStore(client, RULES)


def accepted(store: JobStore, **changes: object) -> JobId:
    spec = a_spec(webhook_url="https://shop.example/hook", **changes)
    return store.submit(new_job_id(), spec, origin=ORIGIN).job_id


def claimed(leases: LeaseStore, stage: Stage, worker: WorkerId = WORKER_ID) -> Claim:
    claim = leases.claim(stage, REVISION, worker)
    assert claim
    return claim


def test_both_stages_the_webhook_and_the_manifest_name_it(client: Client, store: JobStore, leases: LeaseStore) -> None:
    job_id = accepted(store)
    prior = claimed(leases, Stage.AR)
    leases.finish_prior(prior.lease, a_prior())
    decode = claimed(leases, Stage.DIT)
    leases.finish_picture(decode.lease, a_picture())
    (delivery,) = DeliveryStore(client, DELIVERY_RULES).claim(A_LOT)
    manifest = ManifestStore(client, 30).claim()
    assert manifest
    told = [prior.origin, decode.origin, delivery.origin, manifest.origin, store.job(job_id, DEFAULT_TENANT).origin]
    assert told == [ORIGIN] * 5
    assert (prior.attempt, decode.attempt, prior.lost, decode.lost) == (1, 1, None, None)
    assert prior.waited_s >= 0
    assert delivery.log_ids == {
        "request_id": "shop-4711",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "job_id": job_id,
        "message_id": delivery.message_id,
    }


def test_the_enhancement_of_a_prompt_names_it(client: Client, store: JobStore) -> None:
    accepted(store, enhance_prompt=True)
    claim = EnhancementStore(client, 30).claim()
    assert claim
    assert claim.origin == ORIGIN


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"request_id": null, "traceparent": 5}', "shop-4711"])
def test_a_record_without_one_that_can_be_read_is_claimed_all_the_same(
    client: Client, store: JobStore, leases: LeaseStore, text: str | None
) -> None:
    job_id = accepted(store)
    if text is None:  # as versions before this field wrote it
        client.hdel(f"gridpress:job:{job_id}", "origin")
    else:
        client.hset(f"gridpress:job:{job_id}", "origin", text)
    leases.finish_prior(claimed(leases, Stage.AR).lease, a_prior())
    leases.finish_picture(claimed(leases, Stage.DIT).lease, a_picture())
    (delivery,) = DeliveryStore(client, DELIVERY_RULES).claim(A_LOT)
    assert delivery.origin is None
    manifest = ManifestStore(client, 30).claim()
    assert manifest
    assert store.job(job_id, DEFAULT_TENANT).status == "succeeded"


def test_a_retry_is_caused_by_its_own_request(client: Client, store: JobStore, leases: LeaseStore) -> None:
    job_id = accepted(store)
    leases.fail(claimed(leases, Stage.AR).lease, {"code": "broken"})
    long_ago_ms = 1_000
    client.hset(f"gridpress:render:{job_id}:0000", "queued_ms", long_ago_ms)
    store.retry(store.job(job_id, DEFAULT_TENANT), None, LATER)
    claim = claimed(leases, Stage.AR)
    assert claim.origin == LATER
    assert claim.waited_s < 1_000_000, "since the retry"


def test_a_call_that_retries_nothing_changes_nothing(store: JobStore, leases: LeaseStore) -> None:
    job_id = accepted(store)
    leases.fail(claimed(leases, Stage.AR).lease, {"code": "broken"})
    store.retry(store.job(job_id, DEFAULT_TENANT), None, LATER)
    store.retry(store.job(job_id, DEFAULT_TENANT), None, ORIGIN)
    assert store.job(job_id, DEFAULT_TENANT).origin == LATER


def test_an_attempt_that_was_lost_with_its_worker_is_told_to_the_next_one_alone(
    client: Client, store: JobStore, leases: LeaseStore
) -> None:
    accepted(store)
    dead = WorkerId("dead")
    leases.beat(Announcement(dead, Queue.AR, 1, REVISION), [])
    claimed(leases, Stage.AR, dead)
    UpkeepStore(client).take_back(dead, 5)
    second = claimed(leases, Stage.AR)
    assert second.lost
    assert (second.attempt, second.lost.worker_id) == (2, dead)
    assert second.lost.lasted_s >= 0
    assert second.lost.ago_s >= 0
    leases.hand_back(second.lease)
    third = claimed(leases, Stage.AR)
    assert (third.attempt, third.lost) == (2, None)
    leases.finish_prior(third.lease, a_prior())
    decode = claimed(leases, Stage.DIT)
    assert (decode.attempt, decode.lost) == (1, None)


def test_a_batch_names_it_and_after_a_retry_that_of_the_retry(client: Client) -> None:
    batches = BatchStore(client)
    spec = BatchSpec(
        tenant=DEFAULT_TENANT,
        input_file_id=FileId("file-1"),
        endpoint="/v1/jobs",
        window="24h",
        window_s=86_400,
    )
    batch = batches.create(new_batch_id(), spec, ORIGIN)
    assert batches.batch(batch.batch_id, DEFAULT_TENANT).origin == ORIGIN
    assert batch.log_ids["request_id"] == "shop-4711"
    client.hset(f"gridpress:batch:{batch.batch_id}", "status", "completed")
    client.set(f"gridpress:batch_lines:{batch.batch_id}", "sf")
    assert batches.change(batch, "retry", LATER).origin == LATER
