"""A batch's own URL: who is told what, and how it is signed."""

import math
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

from shared.egress.client import EgressClient
from shared.store.batches.batches import BatchStore
from shared.store.endpoints.endpoints import EndpointStore
from shared.store.jobs.jobs import JobStore
from shared.store.webhooks.deliveries import DeliveryStore
from tests.shared.egress.servers import OPEN
from tests.shared.store.builders import A_LOT, DELIVERY_RULES
from tests.workers.batches.shop import Json, Shop, some_lines
from tests.workers.delivery.receivers import Receiver, receiving
from workers.delivery.message import Composer
from workers.delivery.service import DeliveryService
from workers.delivery.webhook import WebhookSender

TENANT_SECRET = "whsec_" + "A" * 43 + "="
OWN_SECRET = "whsec_" + "B" * 43 + "="


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as known:
        yield known


def deliver(shop: Shop) -> None:
    """All that is due."""
    settings = shop.house.settings.model_copy(update={"webhook_secret": SecretStr(TENANT_SECRET)})
    client = shop.client
    composer = Composer(JobStore(client), BatchStore(client), EndpointStore(client), settings)
    sender = WebhookSender(EgressClient(OPEN))
    service = DeliveryService(DeliveryStore(client, DELIVERY_RULES), composer, sender, 5.0)
    while deliveries := service.deliveries.claim(A_LOT):
        for delivery in deliveries:
            service.carry_out(delivery, math.inf)


def told(receiver: Receiver, secret: str = TENANT_SECRET) -> list[Json]:
    """What came, verified."""
    return [Webhook(secret).verify(body.decode(), headers) for headers, body in receiver.received]


def reported_long_ago(shop: Shop, batch: Json) -> None:
    if shop.client.hexists(f"gridpress:batch:{batch['id']}", "reported_ms"):
        shop.client.hincrby(f"gridpress:batch:{batch['id']}", "reported_ms", -1000)


def test_a_batch_tells_its_own_url_of_its_end_and_of_nothing_else(shop: Shop, receiver: Receiver) -> None:
    batch = shop.run(shop.create(some_lines(3), webhook_url=receiver.url))
    deliver(shop)
    [told_] = told(receiver)
    counts = {"total": 3, "completed": 3, "failed": 0}
    expected = {"id": batch["id"], "object": "batch", "status": "completed", "request_counts": counts}
    assert (told_["type"], told_["data"]) == ("batch.completed", expected)


def test_a_file_that_is_no_batch_is_told_of_too(shop: Shop, receiver: Receiver) -> None:
    shop.run(shop.create(b"not json\n", webhook_url=receiver.url))
    deliver(shop)
    assert [message["type"] for message in told(receiver)] == ["batch.failed"]


def test_only_the_events_that_were_asked_for_are_told(shop: Shop, receiver: Receiver) -> None:
    asked = {"webhook_url": receiver.url, "webhook_events": ["batch.cancelled"]}
    shop.run(shop.create(some_lines(2), **asked))
    cancelled = shop.create(some_lines(2), **asked)
    shop.do(cancelled, "cancel")
    shop.run(cancelled)
    deliver(shop)
    assert [message["data"]["id"] for message in told(receiver)] == [cancelled["id"]]


def test_a_batchs_own_secret_signs_and_thin_is_the_id_alone(shop: Shop, receiver: Receiver) -> None:
    asked = {"webhook_secret": OWN_SECRET, "webhook_payload": "thin"}
    batch = shop.run(shop.create(some_lines(1), webhook_url=receiver.url, **asked))
    assert "webhook_secret" not in batch
    deliver(shop)
    assert [message["data"] for message in told(receiver, OWN_SECRET)] == [{"id": batch["id"]}]


def test_progress_is_told_where_it_is_asked_for_and_only_what_is_new(shop: Shop, receiver: Receiver) -> None:
    events = ["batch.progress", "batch.completed"]
    batch = shop.create(some_lines(12), webhook_url=receiver.url, webhook_events=events)
    for num_done in (0, 4, 0, 8):
        shop.render(num_done)
        reported_long_ago(shop, batch)
        for _ in range(2):
            shop.stir()
            shop.work()
        deliver(shop)
    found = [(message["type"], message["data"]["request_counts"]["completed"]) for message in told(receiver)]
    assert found == [("batch.progress", 0), ("batch.progress", 4), ("batch.completed", 12)]


def test_progress_is_told_once_a_second_at_most(shop: Shop, receiver: Receiver) -> None:
    batch = shop.create(some_lines(12), webhook_url=receiver.url, webhook_events=["batch.progress"])
    shop.work()
    shop.client.hset(f"gridpress:batch:{batch['id']}", "reported_ms", 2**42)
    shop.render(4)
    shop.stir()
    shop.work()
    deliver(shop)
    assert [message["data"]["request_counts"]["completed"] for message in told(receiver)] == [0]


def test_of_a_long_batch_only_the_last_reports_are_kept(shop: Shop, receiver: Receiver) -> None:
    batch = shop.create(some_lines(8), webhook_url=receiver.url, webhook_events=["batch.progress"])
    for _ in range(6):
        reported_long_ago(shop, batch)
        shop.stir()
        shop.work()
        deliver(shop)
        shop.render(1)
    assert len(receiver.received) == 6
    assert len(shop.client.keys("gridpress:message:*")) == shop.client.zcard("gridpress:messages:default") == 2


def test_endpoints_hear_of_progress_only_if_they_ask_for_it(shop: Shop) -> None:
    for events in (None, ["batch.progress"]):
        shop.http.post("/v1/webhook_endpoints", json={"url": "https://a.example/", "events": events})
    shop.create(some_lines(2))
    shop.work()
    [message] = shop.client.keys("gridpress:message:*")
    assert shop.client.hget(message, "type") == "batch.progress"
    assert sum(field.startswith("to:") for field in shop.client.hkeys(message)) == 1


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"webhook_url": "http://10.0.0.1/"}, "webhook_url"),
        ({"webhook_url": "file:///etc/passwd"}, "webhook_url"),
        ({"webhook_events": ["batch.completed"]}, "webhook_events"),
        ({"webhook_url": "https://a.example/", "webhook_events": ["job.succeeded"]}, "webhook_events[0]"),
        ({"webhook_url": "https://a.example/", "webhook_secret": "whsec_short"}, "webhook_secret"),
    ],
)
def test_a_webhook_that_cannot_be_is_refused_with_the_batch(shop: Shop, asked: Json, field: str) -> None:
    whole = {"input_file_id": shop.upload(some_lines(1)), "endpoint": "/v1/jobs", "completion_window": "24h", **asked}
    answer = shop.http.post("/v1/batches", json=whole)
    assert (answer.status_code, answer.get_json()["error"]["param"]) == (400, field)


def test_a_deleted_batch_tells_nobody_any_more(shop: Shop, receiver: Receiver) -> None:
    batch = shop.run(shop.create(some_lines(1), webhook_url=receiver.url))
    assert shop.http.delete(f"/v1/batches/{batch['id']}").status_code == 204
    deliver(shop)
    assert receiver.received == []
