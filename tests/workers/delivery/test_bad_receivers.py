"""However a receiver misbehaves, an attempt ends in bounded time and memory, is logged, and harms nobody else."""

import contextlib
import math
import random
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from shared.egress.client import BodyEnd, EgressClient, EgressResponse
from shared.egress.rules import AllowList, EgressRules
from shared.ids import TenantId
from shared.settings.settings import Settings
from shared.store.batches.batches import BatchStore
from shared.store.core.connect import Client
from shared.store.endpoints.endpoints import EndpointChanges, EndpointStore
from shared.store.jobs.jobs import JobStore
from shared.store.webhooks.deliveries import DeliveryStore
from shared.webhooks.secrets import new_secret
from tests.shared.store.builders import A_LOT, DELIVERY_RULES, submitted
from tests.workers.delivery.bad_receivers import ALL, misbehaving
from tests.workers.delivery.receivers import receiving
from tests.workers.delivery.test_delivery import attempts, deliver_all, due_in_s
from workers.delivery.dispatcher import Dispatcher
from workers.delivery.message import Composer
from workers.delivery.service import DeliveryService
from workers.delivery.webhook import WebhookSender

pytestmark = pytest.mark.attack

TIMEOUT_S = 0.3
MOST_BYTES = 4 * 1024 * 1024  # of one attempt; short headers cost the most, forty times what was sent
# The status stands where one came; whatever else they do afterwards is their business.
TAKEN = {
    "sends a bomb of gzip",
    "says gzip and sends none",
    "wants nothing but says nothing",
    "wishes while it succeeds",
}


@pytest.fixture
def service(client: Client, s3_settings: Settings) -> DeliveryService:
    composer = Composer(JobStore(client), BatchStore(client), EndpointStore(client), s3_settings)
    sender = WebhookSender(EgressClient(EgressRules(AllowList((ip_network("127.0.0.1/32"),)))))
    sender.send("http://127.0.0.1:1/", {}, "", 1)  # imports what is imported late: that is no memory of an attempt
    return DeliveryService(DeliveryStore(client, DELIVERY_RULES), composer, sender, TIMEOUT_S, random.Random(7))


@pytest.mark.parametrize("name", ALL)
def test_it_costs_one_logged_attempt(service: DeliveryService, store: JobStore, client: Client, name: str) -> None:
    with misbehaving(name) as url:
        job = submitted(store, webhook_url=url)
        store.cancel(job.job_id, job.spec.tenant)
        tracemalloc.start()
        assert deliver_all(service) == 1
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    [attempt] = attempts(client, job)
    assert int(attempt["latency_ms"]) <= TIMEOUT_S * 1000 + 2000
    assert len(attempt["answer"]) <= 2048
    assert "failed unexpectedly" not in attempt["error"], "it was foreseen"
    was_taken = attempt["status"].startswith("2")
    assert bool(attempt["error"]) != was_taken
    due_s = due_in_s(client, job, "cancelled")
    assert (due_s is None) == (was_taken or attempt["status"] == "410")
    assert due_s is None or due_s <= 3600
    assert peak_bytes < MOST_BYTES
    if name in TAKEN:
        assert was_taken


class Raising(EgressClient):
    """A client with a fault that nobody foresaw."""

    def __init__(self, error: Exception) -> None:
        super().__init__(EgressRules())
        self._error = error

    def post(self, *_: Any, **__: Any) -> EgressResponse:
        raise self._error


@pytest.mark.parametrize(
    "error", [OverflowError(), RecursionError(), MemoryError(), UnicodeError(), RuntimeError("can't start new thread")]
)
def test_whatever_an_attempt_raises_is_an_attempt_with_an_outcome(
    service: DeliveryService, store: JobStore, client: Client, error: Exception
) -> None:
    job = submitted(store, webhook_url="https://shop.example/hook")
    store.cancel(job.job_id, job.spec.tenant)
    assert deliver_all(replace(service, sender=WebhookSender(Raising(error)))) == 1
    [attempt] = attempts(client, job)
    assert type(error).__name__ in attempt["error"]
    due_s = due_in_s(client, job, "cancelled")
    assert due_s is not None
    assert 0 < due_s <= 6, "it keeps to the schedule"


class Wishing(EgressClient):
    """Receives the same wish from everybody."""

    wish = ""

    def post(self, *_: Any, **__: Any) -> EgressResponse:
        return EgressResponse(503, {"retry-after": self.wish}, b"", BodyEnd.WHOLE)


def test_no_wish_raises_and_none_is_negative() -> None:
    rng, client = random.Random(14), Wishing(EgressRules())
    sender = WebhookSender(client)
    words = [
        "Fri,",
        "31",
        "Dec",
        "9999",
        "23:59:59",
        "-2359",
        "GMT",
        "+999999",
        "0001",
        "Jan",
        "-",
        ",",
        ":",
        "\0",
        "é",
    ]
    for _ in range(3000):
        client.wish = " ".join(rng.choices(words, k=rng.randint(0, 9)))
        outcome = sender.send("https://a.example", {}, "", 1)
        assert (outcome.retry_after_s or 0) >= 0
        assert math.isfinite(outcome.spare_s)


SLOTS = 16


@contextlib.contextmanager
def dispatching(service: DeliveryService) -> Iterator[Dispatcher]:
    dispatcher = Dispatcher(service.deliveries, service.carry_out, SLOTS)
    dispatcher.start()
    try:
        yield dispatcher
    finally:
        dispatcher.stop(grace_s=30)


def test_a_receiver_that_is_well_is_told_of_everything_beside_all_of_them(
    service: DeliveryService, store: JobStore, client: Client
) -> None:
    with receiving() as well, contextlib.ExitStack() as stack, dispatching(service):
        for number, name in enumerate(ALL):
            tenant = TenantId(f"t{number}")
            url = stack.enter_context(misbehaving(name))
            EndpointStore(client).create(tenant, url, new_secret(), EndpointChanges(), most=9)
            store.cancel(submitted(store, tenant=tenant).job_id, tenant)
        for number in range(50):
            job = submitted(store, webhook_url=well.url)
            store.cancel(job.job_id, job.spec.tenant)
            well.wait_for(number + 1)
    assert len(set(well.ids)) == len(well.ids) == 50


def test_what_no_thread_can_be_started_for_is_handed_back_and_sent_later(
    service: DeliveryService, store: JobStore, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.delivery.dispatcher._PAUSE_S", 0.01)
    real, num_refused = threading.Thread.start, 0

    def start(thread: threading.Thread) -> None:
        nonlocal num_refused
        if thread.name.startswith("attempt") and num_refused < 2 * SLOTS:
            num_refused += 1
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with receiving() as well:
        for _ in range(3 * SLOTS):
            job = submitted(store, webhook_url=well.url)
            store.cancel(job.job_id, job.spec.tenant)
        with dispatching(service) as dispatcher:
            well.wait_for(3 * SLOTS)
        assert num_refused == 2 * SLOTS
        assert dispatcher._slots.under_way == []
    assert sorted(set(well.ids)) == sorted(well.ids)
    assert service.deliveries.claim(A_LOT) == []
