"""The one subscription of a process, over a real store."""

import threading
from collections.abc import Iterator

import pytest

from shared.ids import DEFAULT_TENANT, JobId
from shared.store.core.connect import Client
from shared.store.jobs import watch as watching
from shared.store.jobs.jobs import JobStore
from shared.store.jobs.watch import EventHub, Watch
from tests.cli.waiting import eventually
from tests.shared.store.builders import submitted

TIMEOUT_S = 30


@pytest.fixture
def hub(client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[EventHub]:
    monkeypatch.setattr(watching, "_SAFETY_S", 2 * TIMEOUT_S)  # what wakes here is a message
    hub = EventHub(client)
    yield hub
    hub.close()
    until_connections(client, 0)  # the store sees a closed connection a moment later


def watched(watch: Watch) -> Watch:
    """Past the first hint, which says that the subscription has begun."""
    assert watch.wait(TIMEOUT_S)
    return watch


def subscriptions(client: Client) -> list[str]:
    return client.pubsub_channels("gridpress:events:*")


def until_subscribed_to(client: Client, count: int) -> None:
    eventually(lambda: len(subscriptions(client)) == count)


def until_connections(client: Client, count: int) -> None:
    eventually(lambda: len(client.client_list(_type="pubsub")) == count)


def test_an_event_wakes_whoever_watches_its_job_and_nobody_else(hub: EventHub, store: JobStore, client: Client) -> None:
    job, other = submitted(store), submitted(store)
    with hub.watch(job.job_id) as first, hub.watch(job.job_id) as second, hub.watch(other.job_id) as stranger:
        watched(first)
        watched(stranger)
        store.cancel(job.job_id, DEFAULT_TENANT)
        assert first.wait(TIMEOUT_S)
        assert second.wait(TIMEOUT_S)
        assert not stranger.wait(0)


def test_a_job_that_is_watched_already_needs_no_further_subscription(
    hub: EventHub, store: JobStore, client: Client
) -> None:
    job = submitted(store)
    with hub.watch(job.job_id) as first:
        watched(first)
        with hub.watch(job.job_id) as second:
            store.cancel(job.job_id, DEFAULT_TENANT)
            assert second.wait(TIMEOUT_S)


def test_any_number_of_watches_is_one_connection_and_all_of_them_end(hub: EventHub, client: Client) -> None:
    def hold(job_id: JobId) -> None:
        with hub.watch(job_id) as watch:
            watched(watch)
            ready.wait(TIMEOUT_S)
            go_on.wait(TIMEOUT_S)

    ready, go_on = threading.Barrier(51), threading.Event()
    holders = [threading.Thread(target=hold, args=(JobId(f"job_{n}"),)) for n in range(50)]
    for holder in holders:
        holder.start()
    ready.wait(TIMEOUT_S)
    assert len(subscriptions(client)) == len(holders)
    assert len(client.client_list(_type="pubsub")) == 1
    go_on.set()
    for holder in holders:
        holder.join()
    until_subscribed_to(client, 0)


def test_a_lost_connection_wakes_every_watch_once_it_is_back(hub: EventHub, store: JobStore, client: Client) -> None:
    job = submitted(store)
    with hub.watch(job.job_id) as watch:
        watched(watch)
        assert client.client_kill_filter(_type="pubsub") == 1
        assert watch.wait(TIMEOUT_S)  # what happened meanwhile was told to nobody
        until_subscribed_to(client, 1)
        store.cancel(job.job_id, DEFAULT_TENANT)
        assert watch.wait(TIMEOUT_S)


def test_a_message_that_never_comes_costs_seconds(
    hub: EventHub, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_SAFETY_S", 0.01)
    with hub.watch(JobId("job_1")) as watch:
        watched(watch)
        until_subscribed_to(client, 1)
        assert watch.wait(TIMEOUT_S)
        assert watch.wait(TIMEOUT_S)


def test_a_server_that_stops_wakes_everybody(hub: EventHub) -> None:
    with hub.watch(JobId("job_1")) as first, hub.watch(JobId("job_2")) as second:
        watched(first)
        watched(second)
        hub.wake_all()
        assert first.wait(0)
        assert second.wait(0)


def test_a_closed_hub_holds_no_connection_and_can_still_be_watched(client: Client, store: JobStore) -> None:
    hub = EventHub(client)
    with hub.watch(JobId("job_1")) as watch:
        watched(watch)
        hub.close()
        assert watch.wait(0)
    until_connections(client, 0)
    with hub.watch(JobId("job_1")) as watch:
        assert not watch.wait(0)


def test_one_watch_after_the_other_is_called_for_at_once(
    hub: EventHub, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_TICK_S", 2 * TIMEOUT_S)  # by itself the thread would not come in time
    for _ in range(3):
        with hub.watch(submitted(store).job_id) as watch:
            watched(watch)
