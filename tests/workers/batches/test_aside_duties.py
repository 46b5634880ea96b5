"""A broken prompt, manifest, webhook or batch at the head of its list is put aside; those behind it are claimed."""

from collections.abc import Callable, Sequence

import pytest

from shared.batches.batch import BatchId
from shared.ids import DEFAULT_TENANT
from shared.jobs.job import Job
from shared.jobs.states import Stage
from shared.store.batch_work.work import BatchRules, BatchWork
from shared.store.core.connect import Client
from shared.store.core.fault_counts import FaultCounts
from shared.store.enhancements.enhancements import EnhancementStore
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import LeaseStore
from shared.store.webhooks.deliveries import DeliveryStore
from shared.store.webhooks.manifests import ManifestStore
from tests.shared.store.builders import (
    A_LOT,
    DELIVERY_RULES,
    REVISION,
    RULES,
    WORKER_ID,
    message_id,
    submitted,
)
from tests.workers.batches.shop import Shop, some_lines

pytestmark = pytest.mark.attack

Break = Callable[[Client, str], object]


def lacks(field: str) -> Break:
    return lambda client, key: client.hdel(key, field)


def has(field: str, value: str) -> Break:
    return lambda client, key: client.hset(key, field, value)


def is_gone(client: Client, key: str) -> None:
    client.delete(key)


def is_a_string(client: Client, key: str) -> None:
    client.delete(key)
    client.set(key, "no hash")


GONE_OR_STRANGE: dict[str, Break] = {"gone": is_gone, "of_another_type": is_a_string}


def job_key(job: Job) -> str:
    return f"gridpress:job:{job.job_id}"


def aside(client: Client) -> list[str]:
    return client.zrange("gridpress:aside", 0, -1)


PROMPTS: dict[str, Break] = {
    **GONE_OR_STRANGE,
    "without_rank": lacks("rank"),
    "without_lane": lacks("lane"),
    "of_another_class": has("lane", "batch|default|r1"),
    "attempts_no_number": has("enhancement_attempts", "x"),
    "decided_already": has("enhancement", "failed"),
    "without_spec": lacks("spec"),
}


@pytest.mark.parametrize("damage", PROMPTS.values(), ids=PROMPTS)
def test_a_broken_prompt_is_put_aside_once(client: Client, store: JobStore, damage: Break) -> None:
    jobs = [submitted(store, enhance_prompt=True) for _ in range(4)]
    for job in jobs[:2]:
        damage(client, job_key(job))
    enhancements = EnhancementStore(client, RULES.ttl_s)
    claims = [enhancements.claim() for _ in range(3)]
    assert [claim and claim.job_id for claim in claims] == [jobs[2].job_id, jobs[3].job_id, None]
    assert aside(client) == [f"enhancements:interactive {job.job_id}" for job in jobs[:2]]
    assert FaultCounts(client).read()["aside.enhancements"] == 2


@pytest.mark.parametrize("spec", ["{", "{}"])
def test_a_prompt_that_cannot_be_read_leaves_no_lease_and_its_render_fails_by_name(
    client: Client, store: JobStore, spec: str
) -> None:
    jobs = [submitted(store, enhance_prompt=True) for _ in range(2)]
    client.hset(job_key(jobs[0]), "spec", spec)
    claim = EnhancementStore(client, RULES.ttl_s).claim()
    assert claim
    assert claim.job_id == jobs[1].job_id
    assert client.zrange("gridpress:enhancements:interactive", 0, -1) == [jobs[1].job_id]
    assert LeaseStore(client, RULES).claim(Stage.AR, REVISION, WORKER_ID) is None
    assert client.hget(job_key(jobs[0]), "status") == "failed"


def test_a_prompt_that_cannot_even_be_ended_is_put_aside(client: Client, store: JobStore) -> None:
    jobs = [submitted(store, enhance_prompt=True) for _ in range(2)]
    client.hset(job_key(jobs[0]), "spec", "{")
    client.delete(f"gridpress:render:{jobs[0].renders[0].render_id}")
    client.set(f"gridpress:render:{jobs[0].renders[0].render_id}", "no hash")
    enhancements = EnhancementStore(client, 0)
    claims = [enhancements.claim() for _ in range(3)]
    assert {claim.job_id for claim in claims if claim} == {jobs[1].job_id}
    assert jobs[0].job_id not in client.zrange("gridpress:enhancements:interactive", 0, -1)
    assert aside(client) == [f"enhancements {jobs[0].job_id}"]


MANIFESTS: dict[str, Break] = {
    **GONE_OR_STRANGE,
    "without_status": lacks("status"),
    "attempts_no_number": has("manifest_attempts", "x"),
}


@pytest.mark.parametrize("damage", MANIFESTS.values(), ids=MANIFESTS)
def test_a_broken_manifest_is_put_aside_once(client: Client, store: JobStore, damage: Break) -> None:
    jobs = cancelled(store, 4)
    for job in jobs[:2]:
        damage(client, job_key(job))
    before = [client.type(job_key(job)) for job in jobs[:2]]
    manifests = ManifestStore(client, RULES.ttl_s)
    claims = [manifests.claim() for _ in range(3)]
    assert sorted(claim.job_id for claim in claims if claim) == [job.job_id for job in jobs[2:]]
    assert aside(client) == [f"manifests {job.job_id}" for job in jobs[:2]]
    assert [client.type(job_key(job)) for job in jobs[:2]] == before  # a claim makes no record of what has none


def cancelled(store: JobStore, count: int, **changes: object) -> list[Job]:
    jobs = [submitted(store, **changes) for _ in range(count)]  # type: ignore[arg-type]
    for job in jobs:
        store.cancel(job.job_id, DEFAULT_TENANT)
    return jobs


MESSAGES: dict[str, Break] = {
    "of_another_type": is_a_string,
    "without_tenant": lacks("tenant"),
    "time_no_number": has("at_ms", "x"),
    "without_sequence": lacks("sequence"),
    "data_no_json": has("data", "{"),
    "data_without_id": has("data", "[]"),
    "time_beyond_all": has("at_ms", "9" * 15),
}


@pytest.mark.parametrize("damage", MESSAGES.values(), ids=MESSAGES)
def test_a_broken_message_is_put_aside_once(client: Client, store: JobStore, damage: Break) -> None:
    jobs = cancelled(store, 4, webhook_url="https://a.example/x")
    messages = [message_id(job.job_id, "cancelled") for job in jobs]
    for message in messages[:2]:
        damage(client, f"gridpress:message:{message}")
    assert sent(client) == messages[2:]
    assert sorted(member.split(" ")[1] for member in aside(client)) == messages[:2]
    assert FaultCounts(client).read()["aside.due"] == 2
    assert client.keys("gridpress:flying:*") == client.keys("gridpress:due:*") == []


def sent(client: Client) -> Sequence[str]:
    """Ids of all that is due, each delivered, in order."""
    deliveries, found = DeliveryStore(client, DELIVERY_RULES), []
    for _ in range(20):
        for delivery in deliveries.claim(A_LOT):
            deliveries.drop(delivery)
            found.append(delivery.message_id)
    return sorted(found)


def test_a_number_of_attempts_that_is_none_stops_no_delivery(client: Client, store: JobStore) -> None:
    jobs = cancelled(store, 3, webhook_url="https://a.example/x")
    messages = [message_id(job.job_id, "cancelled") for job in jobs]
    (due,) = client.keys("gridpress:due:*")
    client.hset(due.replace(":due:", ":tries:"), messages[0], "x")
    assert sent(client) == messages[1:]
    assert len(aside(client)) == 1


@pytest.mark.parametrize("kind", ["destination", "due", "tries", "flying", "holders"])
def test_a_broken_receiver_is_put_off_and_others_are_served(client: Client, store: JobStore, kind: str) -> None:
    cancelled(store, 1, webhook_url="https://broken.example/x")
    (due,) = client.keys("gridpress:due:*")
    (job,) = cancelled(store, 1, webhook_url="https://a.example/x")
    client.delete(due.replace(":due:", f":{kind}:"))
    client.set(due.replace(":due:", f":{kind}:"), "no record")
    assert sent(client) == [message_id(job.job_id, "cancelled")]
    assert FaultCounts(client).read()["put_off.line"] == 1


@pytest.fixture
def batches(shop: Shop) -> list[str]:
    return [str(shop.create(some_lines(1))["id"]) for _ in range(4)]


BATCHES: dict[str, Break] = {
    **GONE_OR_STRANGE,
    "without_end": lacks("end"),
    "time_no_number": has("expires_ms", "x"),
    "renders_no_number": has("renders", "x"),
}


@pytest.mark.parametrize("damage", BATCHES.values(), ids=BATCHES)
def test_a_broken_batch_is_put_aside_once(client: Client, batches: list[str], damage: Break) -> None:
    for batch in batches[:2]:
        damage(client, f"gridpress:batch:{batch}")
    before = [client.type(f"gridpress:batch:{batch}") for batch in batches[:2]]
    work = BatchWork(client, BatchRules(lease_ttl_s=30, spare=8, job_stay_s=60, retention_s=60))
    leases = [work.claim() for _ in range(3)]
    assert [lease and lease.batch_id for lease in leases] == [BatchId(batches[2]), BatchId(batches[3]), None]
    assert aside(client) == [f"batch_work {batch}" for batch in batches[:2]]
    assert [client.type(f"gridpress:batch:{batch}") for batch in batches[:2]] == before


def test_a_batch_that_cannot_be_read_is_put_aside_and_the_others_are_worked_on(
    client: Client, shop: Shop, batches: list[str]
) -> None:
    client.hset(f"gridpress:batch:{batches[0]}", "spec", "{")
    shop.work()
    assert aside(client) == [f"batch_work {batches[0]}"]
    assert [client.hget(f"gridpress:batch:{batch}", "status") for batch in batches[1:]] == ["in_progress"] * 3
    assert FaultCounts(client).read()["unreadable.batch"] == 1
