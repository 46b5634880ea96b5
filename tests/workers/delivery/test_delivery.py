"""Webhooks over a real store to real receivers on loopback, well and ill."""

import json
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import cast

import pytest
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from shared.egress.client import EgressClient
from shared.egress.rules import EgressRules
from shared.ids import DEFAULT_TENANT, TenantId
from shared.jobs.job import Job
from shared.settings.settings import Settings
from shared.store.batches.batches import BatchStore
from shared.store.core.connect import Client
from shared.store.endpoints.endpoints import EndpointChanges, EndpointStore
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import LeaseStore
from shared.store.webhooks.deliveries import DeliveryStore
from shared.webhooks.endpoints import Endpoint
from shared.webhooks.events import PayloadStyle
from shared.webhooks.secrets import new_secret, secret_of
from tests.shared.egress.servers import OPEN, STRICT, Behaviour, answering, endless, resetting, serving
from tests.shared.store.builders import A_LOT, DELIVERY_RULES, RULES, finish_next, message_id, submitted
from tests.workers.delivery.receivers import Receiver, receiving
from workers.delivery.message import Composer
from workers.delivery.service import DeliveryService
from workers.delivery.webhook import WebhookSender

TENANT_SECRET = "whsec_" + "A" * 43 + "="
JOB_SECRET = "whsec_" + "B" * 43 + "="
TIMEOUT_S = 0.5


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as known:
        yield known


class _Always(random.Random):
    """No jitter, so that a test can say when a retry is due."""

    def uniform(self, a: float, b: float) -> float:
        return a


@pytest.fixture
def service(client: Client, s3_settings: Settings) -> DeliveryService:
    settings = s3_settings.model_copy(update={"webhook_secret": SecretStr(TENANT_SECRET)})
    composer = Composer(JobStore(client), BatchStore(client), EndpointStore(client), settings)
    sender = WebhookSender(EgressClient(OPEN))
    return DeliveryService(DeliveryStore(client, DELIVERY_RULES), composer, sender, TIMEOUT_S, _Always())


@pytest.fixture
def endpoint(client: Client, receiver: Receiver) -> Endpoint:
    changes = EndpointChanges(payload=PayloadStyle.THIN, headers={"x-shop": "17"})
    return EndpointStore(client).create(DEFAULT_TENANT, receiver.url, new_secret(), changes, most=9)


def succeeded(store: JobStore, client: Client, **changes: object) -> Job:
    job = submitted(store, **changes)  # type: ignore[arg-type]
    finish_next(LeaseStore(client, RULES))
    return store.job(job.job_id, job.spec.tenant)


def deliver_all(service: DeliveryService) -> int:
    count = 0
    while deliveries := service.deliveries.claim(A_LOT):
        for delivery in deliveries:
            service.carry_out(delivery, math.inf)
            count += 1
    return count


def attempts(client: Client, job: Job) -> list[Mapping[str, str]]:
    return [json.loads(text) for text in reversed(client.lrange(f"gridpress:job_attempts:{job.job_id}", 0, -1))]


def due_in_s(client: Client, job: Job, end: str = "succeeded") -> float | None:
    """Of the one delivery that a job has, or None when it is over."""
    [key] = client.keys("gridpress:due:*") or [None]
    due_ms = client.zscore(key, message_id(job.job_id, end)) if key else None
    seconds, microseconds = cast("tuple[int, int]", client.time())
    return None if due_ms is None else float(str(due_ms)) / 1000 - (seconds + microseconds / 1e6)


def test_a_finished_job_sends_one_signed_webhook_with_the_job_in_it(
    service: DeliveryService, store: JobStore, client: Client, receiver: Receiver
) -> None:
    job = succeeded(store, client, webhook_url=receiver.url, metadata={"order": "17"})
    deliver_all(service)
    [(headers, body)] = receiver.received
    sent = Webhook(TENANT_SECRET).verify(body.decode(), headers)
    assert (sent["type"], sent["sequence"]) == ("job.succeeded", 1)
    assert sent["data"]["id"] == job.job_id
    assert sent["data"]["metadata"] == {"order": "17"}
    assert sent["data"]["images"][0]["url"].startswith("http://127.0.0.1:8000/v1/jobs/")
    assert headers["webhook-id"] == message_id(job.job_id, "succeeded")
    assert b"X-Amz" not in body
    assert b"whsec_" not in body


def test_every_tenants_webhooks_are_signed_with_its_own_secret(
    service: DeliveryService, store: JobStore, client: Client, receiver: Receiver
) -> None:
    acme = TenantId("acme")
    succeeded(store, client, webhook_url=receiver.url, tenant=acme)
    deliver_all(service)
    [(headers, body)] = receiver.received
    assert Webhook(secret_of(acme, TENANT_SECRET)).verify(body.decode(), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(TENANT_SECRET).verify(body.decode(), headers)


def test_a_jobs_own_secret_signs_instead_of_the_tenants(
    service: DeliveryService, store: JobStore, client: Client, receiver: Receiver
) -> None:
    succeeded(store, client, webhook_url=receiver.url, webhook_secret=JOB_SECRET)
    deliver_all(service)
    [(headers, body)] = receiver.received
    Webhook(JOB_SECRET).verify(body.decode(), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(TENANT_SECRET).verify(body.decode(), headers)


def test_an_endpoint_gets_what_it_chose_signed_with_its_own_secret(
    service: DeliveryService, store: JobStore, client: Client, receiver: Receiver, endpoint: Endpoint
) -> None:
    job = succeeded(store, client)
    deliver_all(service)
    [(headers, body)] = receiver.received
    assert Webhook(endpoint.secret).verify(body.decode(), headers)["data"] == {"id": job.job_id}
    assert headers["x-shop"] == "17"


def test_both_secrets_sign_while_one_replaces_the_other(
    service: DeliveryService, store: JobStore, client: Client, receiver: Receiver, endpoint: Endpoint
) -> None:
    rotated = EndpointStore(client).rotate(endpoint.endpoint_id, DEFAULT_TENANT, new_secret())
    succeeded(store, client)
    deliver_all(service)
    [(headers, body)] = receiver.received
    for secret in (endpoint.secret, rotated.secret):
        assert Webhook(secret).verify(body.decode(), headers)


def test_a_cancelled_job_says_so(service: DeliveryService, store: JobStore, receiver: Receiver) -> None:
    job = submitted(store, webhook_url=receiver.url)
    store.cancel(job.job_id, DEFAULT_TENANT)
    deliver_all(service)
    [(_, body)] = receiver.received
    assert json.loads(body)["type"] == "job.cancelled"


def test_an_event_that_was_not_asked_for_is_not_sent(
    service: DeliveryService, store: JobStore, client: Client, receiver: Receiver
) -> None:
    succeeded(store, client, webhook_url=receiver.url, webhook_events=("job.failed",))
    assert deliver_all(service) == 0
    assert receiver.received == []


@pytest.mark.parametrize("status", [500, 302, 404, 429])
def test_anything_but_success_is_tried_again_five_seconds_later(
    service: DeliveryService, store: JobStore, client: Client, receiver: Receiver, status: int
) -> None:
    receiver.statuses = [status]
    job = succeeded(store, client, webhook_url=receiver.url)
    deliver_all(service)
    due_s = due_in_s(client, job)
    assert due_s is not None
    assert 0 < due_s <= 5
    assert attempts(client, job)[0]["status"] == str(status)
    assert len(receiver.received) == 1, "a redirect is not followed"


def test_a_receiver_that_fails_a_few_times_gets_one_id(
    service: DeliveryService, store: JobStore, client: Client, receiver: Receiver
) -> None:
    receiver.statuses = [500, 503]
    job = succeeded(store, client, webhook_url=receiver.url)
    for _ in range(3):
        deliver_all(service)
        make_due(client)
    assert receiver.ids == [message_id(job.job_id, "succeeded")] * 3
    assert [attempt["attempt"] for attempt in attempts(client, job)] == ["1", "2", "3"]
    assert due_in_s(client, job) is None


def make_due(client: Client) -> None:
    """All that waits, as if its time had come."""
    for kind in ("due", "line"):
        for key in client.keys(f"gridpress:{kind}:*"):
            for member in cast("list[str]", client.zrange(key, 0, -1)):
                client.zadd(key, {member: 0})


@pytest.mark.parametrize("status", [429, 503])
def test_a_receivers_wish_is_honoured(
    service: DeliveryService, store: JobStore, client: Client, receiver: Receiver, status: int
) -> None:
    wishes = ["120", format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True), "9" * 30]
    for wish, (low_s, high_s) in zip(wishes, [(119, 120), (115, 120), (3599, 3600)], strict=True):
        receiver.statuses, receiver.headers = [status], {"retry-after": wish}
        job = succeeded(store, client, webhook_url=receiver.url)
        deliver_all(service)
        due_s = due_in_s(client, job)
        assert due_s is not None
        assert low_s - 1 <= due_s <= high_s
        client.flushall()


@pytest.mark.parametrize("wish", ["soon", "-5", "", "1.5", "١٢٠"])
def test_a_wish_that_is_none_changes_nothing(
    service: DeliveryService, store: JobStore, client: Client, wish: str
) -> None:
    with serving(answering("503 Busy", b"", **{"retry-after": wish})) as server:
        job = succeeded(store, client, webhook_url=server.url())
        deliver_all(service)
    due_s = due_in_s(client, job)
    assert due_s is not None
    assert 0 < due_s <= 5


def test_a_receiver_that_is_gone_is_not_asked_again(
    service: DeliveryService, store: JobStore, client: Client, receiver: Receiver
) -> None:
    receiver.statuses = [410]
    job = succeeded(store, client, webhook_url=receiver.url)
    deliver_all(service)
    assert due_in_s(client, job) is None


def test_a_receiver_on_a_private_address_is_never_connected_to(
    service: DeliveryService, store: JobStore, client: Client, receiver: Receiver
) -> None:
    strict = WebhookSender(EgressClient(STRICT))
    guarded = replace(service, sender=strict)
    job = succeeded(store, client, webhook_url=receiver.url)
    deliver_all(guarded)
    assert receiver.received == []
    [attempt] = attempts(client, job)
    assert (attempt["status"], attempt["error"]) == ("", "127.0.0.1 is loopback")


@pytest.mark.attack
@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "500 Oops"])
def test_what_an_address_that_is_not_public_answers_is_in_no_log_of_a_tenant(
    service: DeliveryService, store: JobStore, client: Client, status: str
) -> None:
    allowed = EgressRules(OPEN.allowed_while_open)
    guarded = replace(service, sender=WebhookSender(EgressClient(allowed)))
    with serving(answering(status, b"root:x:0:0")) as server:
        job = succeeded(store, client, webhook_url=server.url())
        deliver_all(guarded)
    [attempt] = attempts(client, job)
    assert attempt["status"] == status[:3]
    assert "root" not in str(attempt)


@pytest.mark.attack
def test_a_closed_port_and_one_that_speaks_no_http_look_alike_where_an_address_is_not_public() -> None:
    sender = WebhookSender(EgressClient(EgressRules(OPEN.allowed_while_open)))
    with serving(lambda connection: connection.sendall(b"SSH-2.0-OpenSSH")) as server:
        spoken = sender.send(server.url(), {}, "{}", 5).attempted
    closed = sender.send(server.url(), {}, "{}", 5).attempted
    assert (spoken.status, spoken.error) == (closed.status, closed.error)
    assert closed.error == "127.0.0.1 gave no usable response"


HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n"
ILL: Mapping[str, tuple[Behaviour, str, str]] = {
    "resets": (resetting(), "", "127.0.0.1 failed"),
    "closes without a word": (lambda connection: None, "", "127.0.0.1 did not answer in HTTP"),
    "hangs": (lambda connection: connection.recv(1) and None, "", "did not answer within"),
    "trickles its head": (endless(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", 0.05), "", "did not answer within"),
    "streams for ever": (endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536), "200", ""),
    "trickles for ever": (endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x", 0.05), "200", ""),
    "sends 100 MB": (endless(HEAD, b"x" * 65536), "200", ""),
    "closes in the middle": (lambda connection: connection.sendall(HEAD + b"x" * 100), "200", ""),
    "speaks no HTTP": (
        lambda connection: connection.sendall(b"220 mail.example ESMTP\r\n"),
        "",
        "did not answer in HTTP",
    ),
    "sends endless headers": (endless(b"HTTP/1.1 200 OK\r\n", b"x: " + b"y" * 4096 + b"\r\n"), "", "127.0.0.1"),
}


@pytest.mark.parametrize("name", ILL)
def test_what_an_ill_receiver_does_is_logged_and_costs_a_time_out_at_most(
    service: DeliveryService, store: JobStore, client: Client, name: str
) -> None:
    behaviour, status, error = ILL[name]
    with serving(behaviour) as server:
        job = succeeded(store, client, webhook_url=server.url())
        deliver_all(service)
    [attempt] = attempts(client, job)
    assert attempt["status"] == status
    assert error in attempt["error"]
    assert bool(attempt["error"]) == (not status)
    assert int(attempt["latency_ms"]) < TIMEOUT_S * 1000 + 1000
    assert len(attempt["answer"]) <= 2048
    assert (due_in_s(client, job) is None) == bool(status), "a status that came stands; none is tried again"


def test_an_answer_that_comes_too_late_is_none(service: DeliveryService, store: JobStore, client: Client) -> None:
    with receiving() as slow:
        slow.gate.clear()
        job = succeeded(store, client, webhook_url=slow.url)
        deliver_all(service)
        [attempt] = attempts(client, job)
    assert attempt["error"].endswith(f"did not answer within {TIMEOUT_S:g} s")
    assert due_in_s(client, job) is not None


def test_the_first_bytes_of_an_answer_are_kept_as_text(
    service: DeliveryService, store: JobStore, client: Client
) -> None:
    with serving(answering("500 Oops", b"no \xff such order" + b"." * 3000)) as server:
        job = succeeded(store, client, webhook_url=server.url())
        deliver_all(service)
    [attempt] = attempts(client, job)
    assert attempt["answer"].startswith("no � such order...")
    assert len(attempt["answer"]) == 2048


def test_a_webhook_of_a_job_that_is_gone_is_dropped(
    service: DeliveryService, store: JobStore, client: Client, receiver: Receiver
) -> None:
    job = succeeded(store, client, webhook_url=receiver.url)
    client.delete(f"gridpress:job:{job.job_id}")
    assert deliver_all(service) == 1
    assert receiver.received == []
    assert service.deliveries.claim(A_LOT) == []


def test_progress_is_tried_once(service: DeliveryService, store: JobStore, client: Client, receiver: Receiver) -> None:
    succeeded(store, client, webhook_url=receiver.url)
    receiver.statuses = [500]
    [delivery] = service.deliveries.claim(A_LOT)
    client.hset(f"gridpress:message:{delivery.message_id}", "type", "job.progress")
    service.deliveries.hand_back(delivery)
    deliver_all(service)
    assert client.hget(f"gridpress:message:{delivery.message_id}", f"to:{delivery.destination}") == "abandoned"


def test_a_webhook_that_cannot_be_put_together_keeps_to_the_schedule(
    service: DeliveryService, store: JobStore, client: Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    job = succeeded(store, client, webhook_url=receiver.url)
    with monkeypatch.context() as broken:
        broken.setattr(Composer, "compose", fail)
        deliver_all(service)
    assert due_in_s(client, job) is not None
    assert [attempt["error"] for attempt in attempts(client, job)] == ["the message could not be composed"]
    make_due(client)
    deliver_all(service)
    assert receiver.ids == [message_id(job.job_id, "succeeded")]
