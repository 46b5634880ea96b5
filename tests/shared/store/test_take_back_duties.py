"""Where somebody saw a worker's process end, its webhooks, manifests, prompts and batches wait for no lease either."""

from collections.abc import Callable

import pytest

from shared.ids import DEFAULT_TENANT, WorkerId, new_job_id
from shared.store.core.connect import Client
from shared.store.enhancements.enhancements import EnhancementStore
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.webhooks.deliveries import DeliveryStore
from shared.store.webhooks.manifests import ManifestStore
from tests.shared.store.builders import A_LOT, AN_ATTEMPT, DELIVERY_RULES, a_spec, submitted

pytestmark = pytest.mark.attack

LONG_S = 86_400.0
DEAD, NEXT = WorkerId("delivery-host-7-1a2b"), WorkerId("delivery-host-8-3c4d")
Claim = Callable[[], object]


def ended(store: JobStore, **changes: object) -> None:
    job = submitted(store, **changes)  # type: ignore[arg-type]
    store.cancel(job.job_id, DEFAULT_TENANT)


def webhooks(client: Client, worker: WorkerId) -> Claim:
    store = DeliveryStore(client, DELIVERY_RULES, worker)
    return lambda: [delivery.message_id for delivery in store.claim(A_LOT)]


def manifests(client: Client, worker: WorkerId) -> Claim:
    store = ManifestStore(client, LONG_S, worker)
    return lambda: (claim := store.claim()) and claim.job_id


def prompts(client: Client, worker: WorkerId) -> Claim:
    store = EnhancementStore(client, LONG_S, worker)
    return lambda: (claim := store.claim()) and claim.job_id


@pytest.mark.parametrize("kind", [webhooks, manifests, prompts])
def test_what_a_dead_worker_had_leased_is_due_again_at_once(
    client: Client, store: JobStore, kind: Callable[[Client, WorkerId], Claim]
) -> None:
    if kind is prompts:
        store.submit(new_job_id(), a_spec(enhance_prompt=True))
    else:
        ended(store, webhook_url="https://shop.example/hook")
    held = kind(client, DEAD)()
    assert held
    upkeep, claim = UpkeepStore(client), kind(client, NEXT)
    upkeep.take_back(WorkerId("delivery-host-7-another"), 5)
    assert not claim()
    upkeep.take_back(DEAD, 5)
    assert claim() == held
    upkeep.take_back(DEAD, 5)
    assert not claim(), "what another has leased meanwhile stays his"
    assert client.keys(f"gridpress:duties:{DEAD}") == []


def test_all_webhooks_of_a_dead_worker_are_freed_and_its_late_word_is_refused(client: Client, store: JobStore) -> None:
    for number in range(50):
        ended(store, webhook_url=f"https://shop-{number}.example/hook")
    dead = DeliveryStore(client, DELIVERY_RULES, DEAD)
    held = dead.claim(A_LOT)
    assert len(held) == 50
    assert dead.delivered(held[0], AN_ATTEMPT)
    UpkeepStore(client).take_back(DEAD, 5)
    again = DeliveryStore(client, DELIVERY_RULES, NEXT).claim(A_LOT)
    assert {delivery.message_id for delivery in again} == {delivery.message_id for delivery in held[1:]}
    assert not dead.delivered(held[1], AN_ATTEMPT)


def test_a_worker_that_finished_its_work_leaves_no_duties(client: Client, store: JobStore) -> None:
    ended(store, webhook_url="https://shop.example/hook")
    deliveries, writer = DeliveryStore(client, DELIVERY_RULES, DEAD), ManifestStore(client, LONG_S, DEAD)
    [delivery] = deliveries.claim(A_LOT)
    deliveries.delivered(delivery, AN_ATTEMPT)
    claim = writer.claim()
    assert claim
    writer.written(claim)
    assert client.keys("gridpress:duties:*") == []
