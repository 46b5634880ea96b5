"""Deliveries over real stores and a real receiver on loopback."""

import http.server
import json
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from shared.egress.client import EgressClient
from shared.egress.rules import EgressRules
from shared.ids import DEFAULT_TENANT, TenantId
from shared.jobs import Job
from shared.objects import ObjectStore
from shared.settings import Settings
from shared.store.connect import Client
from shared.store.deliveries import DeliveryStore
from shared.store.jobs import JobStore
from shared.store.leases import LeaseStore
from shared.webhooks.secrets import secret_of
from tests.egress.servers import resetting, serving
from tests.store.builders import RULES, a_picture, finish_next, submitted
from workers.delivery.manifest import manifest_key
from workers.delivery.schedule import RETRY_DELAYS_S, retry_delay_s
from workers.delivery.service import DeliveryService
from workers.delivery.webhook import WebhookSender, event_id

TENANT_SECRET = "whsec_" + "A" * 43 + "="
JOB_SECRET = "whsec_" + "B" * 43 + "="


@dataclass
class Receiver:
    """Answers the statuses it is told, then 200, and keeps what it was sent."""

    statuses: list[int] = field(default_factory=list)
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    known = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            known.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(known.statuses.pop(0) if known.statuses else 200)
            self.send_header("location", "http://127.0.0.1:1/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known.url = f"http://127.0.0.1:{server.server_port}/hook?order=17"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield known
    server.shutdown()
    thread.join()
    server.server_close()


class _Always(random.Random):
    """No jitter, so that a test can say when a retry is due."""

    def uniform(self, a: float, b: float) -> float:
        return a


@pytest.fixture
def service(client: Client, objects: ObjectStore, s3_settings: Settings) -> DeliveryService:
    settings = s3_settings.model_copy(update={"webhook_secret": SecretStr(TENANT_SECRET)})
    sender = WebhookSender(EgressClient(EgressRules(allow_loopback=True)), timeout_s=5)
    deliveries = DeliveryStore(client, lease_ttl_s=30)
    return DeliveryService(deliveries, JobStore(client), objects, sender, settings, _Always())


def succeeded(store: JobStore, client: Client, **changes: object) -> Job:
    job = submitted(store, **changes)  # type: ignore[arg-type]
    finish_next(LeaseStore(client, RULES))
    return store.job(job.job_id, job.spec.tenant)


def deliver_all(service: DeliveryService) -> int:
    count = 0
    while service.deliver_one():
        count += 1
    return count


def due_in_ms(client: Client, job: Job, event_type: str) -> float | None:
    due = client.zscore("gridpress:deliveries", f"webhook:{job.job_id}:{event_type}")
    seconds, microseconds = client.time()  # type: ignore[misc]
    return None if due is None else float(due) - (seconds * 1000 + microseconds / 1000)  # type: ignore[arg-type]


def last_error(client: Client, job: Job, event_type: str) -> str:
    return str(client.hget(f"gridpress:delivery:webhook:{job.job_id}:{event_type}", "last_error"))


def test_a_finished_job_sends_one_signed_webhook_with_the_job_in_it(
    service: DeliveryService, store: JobStore, client: Client, receiver: Receiver
) -> None:
    job = succeeded(store, client, webhook_url=receiver.url, metadata={"order": "17"})
    deliver_all(service)
    [(headers, body)] = receiver.received
    sent = Webhook(TENANT_SECRET).verify(body.decode(), headers)
    assert sent["type"] == "job.succeeded"
    assert sent["data"]["id"] == job.job_id
    assert sent["data"]["metadata"] == {"order": "17"}
    assert sent["data"]["images"][0]["url"].startswith("http://127.0.0.1:8000/v1/jobs/")
    assert headers["webhook-id"] == event_id(job.job_id, "job.succeeded")
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
    assert deliver_all(service) == 1  # the manifest
    assert receiver.received == []


@pytest.mark.parametrize("status", [500, 302, 404, 429])
def test_anything_but_success_is_tried_again_five_seconds_later_with_the_same_id(
    service: DeliveryService, store: JobStore, client: Client, receiver: Receiver, status: int
) -> None:
    receiver.statuses = [status]
    job = succeeded(store, client, webhook_url=receiver.url)
    deliver_all(service)
    due_ms = due_in_ms(client, job, "job.succeeded")
    assert due_ms is not None
    assert 0 < due_ms <= 5_000
    client.zadd("gridpress:deliveries", {f"webhook:{job.job_id}:job.succeeded": 0})
    deliver_all(service)
    assert [headers["webhook-id"] for headers, _ in receiver.received] == [event_id(job.job_id, "job.succeeded")] * 2
    assert due_in_ms(client, job, "job.succeeded") is None


def test_a_receiver_that_is_gone_is_not_asked_again(
    service: DeliveryService, store: JobStore, client: Client, receiver: Receiver
) -> None:
    receiver.statuses = [410]
    job = succeeded(store, client, webhook_url=receiver.url)
    deliver_all(service)
    assert due_in_ms(client, job, "job.succeeded") is None


def test_a_receiver_on_a_private_address_is_never_connected_to(
    service: DeliveryService, store: JobStore, client: Client, receiver: Receiver
) -> None:
    strict = WebhookSender(EgressClient(EgressRules()), timeout_s=5)
    guarded = DeliveryService(service.deliveries, service.jobs, service.objects, strict, service.settings, service.rng)
    job = succeeded(store, client, webhook_url=receiver.url)
    deliver_all(guarded)
    assert receiver.received == []
    assert "127.0.0.1 is loopback" in last_error(client, job, "job.succeeded")


def test_a_receiver_that_hangs_up_is_tried_again(service: DeliveryService, store: JobStore, client: Client) -> None:
    with serving(resetting()) as server:
        job = succeeded(store, client, webhook_url=server.url())
        deliver_all(service)
    assert len(server.heard) == 1
    assert due_in_ms(client, job, "job.succeeded") is not None
    assert "127.0.0.1 failed" in last_error(client, job, "job.succeeded")


def test_a_delivery_that_its_worker_did_not_finish_is_due_again(store: JobStore, client: Client) -> None:
    store.cancel(submitted(store).job_id, DEFAULT_TENANT)
    first = DeliveryStore(client, lease_ttl_s=0).claim()
    second = DeliveryStore(client, lease_ttl_s=30).claim()
    assert first
    assert second
    assert (first.delivery_id, second.attempt) == (second.delivery_id, 2)
    assert DeliveryStore(client, lease_ttl_s=30).delivered(first) is False
    assert DeliveryStore(client, lease_ttl_s=30).delivered(second) is True


def test_the_jobs_manifest_lists_its_pictures(
    service: DeliveryService, store: JobStore, client: Client, objects: ObjectStore
) -> None:
    job = succeeded(store, client)
    deliver_all(service)
    manifest = json.loads(objects.get(manifest_key(job.job_id)))
    assert manifest["job"]["status"] == "succeeded"
    assert manifest["pictures"] == [{"index": 0, "key": a_picture().key, "manifest_key": a_picture().manifest_key}]


def test_retries_span_three_days_and_then_end() -> None:
    delays = [retry_delay_s(RETRY_DELAYS_S, attempt, _Always()) for attempt in range(1, len(RETRY_DELAYS_S) + 2)]
    assert delays[0] == 5
    assert delays[-1] is None
    assert delays[:-1] == sorted(delays[:-1])  # type: ignore[type-var]
