"""Many attempts at once: who gets the threads, and how they end."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from shared.egress.client import EgressClient
from shared.errors import StoreUnavailable
from shared.ids import DEFAULT_TENANT, TenantId
from shared.settings.settings import Settings
from shared.store.batches.batches import BatchStore
from shared.store.core.connect import Client
from shared.store.endpoints.endpoints import EndpointChanges, EndpointStore
from shared.store.jobs.jobs import JobStore
from shared.store.webhooks.deliveries import Delivery, DeliveryStore, Room
from shared.webhooks.secrets import new_secret
from tests.shared.egress.servers import OPEN
from tests.shared.store.builders import A_LOT, DELIVERY_RULES, submitted
from tests.workers.delivery.receivers import receiving
from workers.delivery.dispatcher import Dispatcher
from workers.delivery.message import Composer
from workers.delivery.service import DeliveryService
from workers.delivery.webhook import WebhookSender

SLOTS = 8


@pytest.fixture
def service(client: Client, s3_settings: Settings) -> DeliveryService:
    composer = Composer(JobStore(client), BatchStore(client), EndpointStore(client), s3_settings)
    sender = WebhookSender(EgressClient(OPEN))
    return DeliveryService(DeliveryStore(client, DELIVERY_RULES), composer, sender, timeout_s=30)


@contextmanager
def dispatching(service: DeliveryService) -> Iterator[Dispatcher]:
    dispatcher = Dispatcher(service.deliveries, service.carry_out, SLOTS)
    dispatcher.start()
    try:
        yield dispatcher
    finally:
        dispatcher.stop(grace_s=30)


def cancelled(store: JobStore, tenant: TenantId = DEFAULT_TENANT, **changes: object) -> None:
    store.cancel(submitted(store, tenant=tenant, **changes).job_id, tenant)  # type: ignore[arg-type]


def add_endpoints(client: Client, num: int, url: str, tenant: TenantId = DEFAULT_TENANT) -> None:
    for _ in range(num):
        EndpointStore(client).create(tenant, url, new_secret(), EndpointChanges(), most=999)


@pytest.mark.parametrize("num_tenants", [1, 40])
def test_a_receiver_never_seen_is_told_however_many_never_seen_ones_hang(
    service: DeliveryService, store: JobStore, client: Client, num_tenants: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.delivery.lanes.SOON_S", 0.05)
    with receiving() as well, receiving() as hanging:
        hanging.gate.clear()
        tenants = [TenantId(f"t{number}") for number in range(num_tenants)]
        for number in range(40):
            add_endpoints(client, 1, hanging.url, tenants[number % num_tenants])
        with dispatching(service):
            for tenant in tenants:
                cancelled(store, tenant=tenant)
            hanging.wait_for(SLOTS)
            cancelled(store, webhook_url=well.url)
            well.wait_for(1)
            cancelled(store, webhook_url=well.url)
            well.wait_for(2)
            hanging.gate.set()


def test_a_receiver_that_was_cut_short_is_heard_out_later(
    service: DeliveryService, store: JobStore, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.delivery.lanes.SOON_S", 0.05)
    with receiving() as slow:
        slow.gate.clear()
        add_endpoints(client, 2 * SLOTS, slow.url)
        cancelled(store)
        with dispatching(service):
            slow.wait_for(2 * SLOTS)
            slow.gate.set()
            while "pending" in statuses(client, slow.ids[0]):
                slow.wait_for(len(slow.received))
        assert statuses(client, slow.ids[0]) == ["delivered"] * 2 * SLOTS
        assert len(slow.received) > 2 * SLOTS, "some had but a moment at first"


def statuses(client: Client, name: str) -> list[str]:
    fields = cast("dict[str, str]", client.hgetall(f"gridpress:message:{name}"))
    return [status for field, status in fields.items() if field.startswith("to:")]


def test_everything_that_is_due_is_sent_once(service: DeliveryService, store: JobStore, client: Client) -> None:
    with receiving() as receiver:
        add_endpoints(client, 5, receiver.url)
        for _ in range(10):
            cancelled(store, webhook_url=receiver.url)
        with dispatching(service):
            receiver.wait_for(60)
        assert len(receiver.received) == 60
        assert len(set(receiver.ids)) == 10
    assert [key for kind in ("due", "flying", "holders", "tries") for key in client.keys(f"gridpress:{kind}:*")] == []


def test_a_stop_lets_attempts_under_way_end(service: DeliveryService, store: JobStore, client: Client) -> None:
    with receiving() as receiver:
        receiver.gate.clear()
        cancelled(store, webhook_url=receiver.url)
        with dispatching(service) as dispatcher:
            receiver.wait_for(1)
            opener = threading.Timer(0.2, receiver.gate.set)
            opener.start()
            assert dispatcher.stop(grace_s=30)
            opener.join()
    assert client.keys("gridpress:due:*") == []


def test_what_does_not_end_in_time_is_handed_back(service: DeliveryService, store: JobStore, client: Client) -> None:
    with receiving() as receiver:
        receiver.gate.clear()
        cancelled(store, webhook_url=receiver.url)
        dispatcher = Dispatcher(service.deliveries, service.carry_out, SLOTS)
        dispatcher.start()
        receiver.wait_for(1)
        assert not dispatcher.stop(grace_s=0)
        [again] = service.deliveries.claim(A_LOT)
        assert (again.message_id, again.attempt) == (receiver.ids[0], 1)


def test_a_store_that_was_away_is_asked_again(
    service: DeliveryService, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, outages = DeliveryStore.claim, [1, 1]

    def claim(self: DeliveryStore, room: Room) -> list[Delivery]:
        if outages:
            outages.pop()
            raise StoreUnavailable("away")
        return real(self, room)

    monkeypatch.setattr("workers.delivery.dispatcher._PAUSE_S", 0.01)
    monkeypatch.setattr(DeliveryStore, "claim", claim)
    with receiving() as receiver:
        cancelled(store, webhook_url=receiver.url)
        with dispatching(service):
            receiver.wait_for(1)
    assert outages == []


def test_a_claim_that_fails_as_nobody_foresaw_does_not_end_the_dispatcher(
    service: DeliveryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    answers = iter([ValueError("a row that nobody can read")])

    def claim(_: DeliveryStore, room: Room) -> list[Delivery]:
        for error in answers:
            raise error
        goes_on.set()
        return []

    monkeypatch.setattr(DeliveryStore, "claim", claim)
    monkeypatch.setattr("workers.delivery.dispatcher._PAUSE_S", 0.01)
    with dispatching(service):
        assert goes_on.wait(30)
