"""The stream of a batch's events."""

from collections.abc import Callable, Iterator
from itertools import islice

import pytest

from api.batches import events as batch_events
from shared.batches.batch import BatchId
from shared.ids import DEFAULT_TENANT
from tests.api.jobs.test_events import read
from tests.workers.batches.shop import Json, Shop, some_lines


@pytest.fixture(autouse=True)
def without_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_events, "_REST_S", 0)


def blocks(shop: Shop, batch: Json, last_id: str = "", has_left: Callable[[], bool] = bool) -> Iterator[str]:
    found = shop.house.batches.batch(BatchId(batch["id"]), DEFAULT_TENANT)
    return batch_events._blocks(shop.house, found, last_id, has_left)


def counts(blocks: list[str]) -> list[tuple[str, int]]:
    return [(event["event"], event["data"]["request_counts"]["completed"]) for event in read("".join(blocks))]


def test_each_change_is_told_as_the_batch_is_answered_until_its_end(shop: Shop) -> None:
    batch = shop.create(some_lines(6))
    stream = blocks(shop, batch)
    found = list(islice(stream, 2))
    shop.work()
    found.append(next(stream))
    shop.render(2)
    found.append(next(stream))
    whole = shop.run(batch)
    found += stream
    events = read("".join(found))
    assert [event["data"]["status"] for event in events] == ["validating", "in_progress", "in_progress", "completed"]
    assert counts(found)[1:] == [("batch.progress", 0), ("batch.progress", 2), ("batch.completed", 6)]
    assert events[-1]["data"] == whole


def test_lines_that_end_wake_the_stream_by_the_one_subscription(shop: Shop) -> None:
    batch = shop.create(some_lines(6))
    shop.work()
    with shop.house.hub.watch(BatchId(batch["id"])) as watch:
        while watch.wait(0.5):
            pass  # it is told when its subscription begins
        shop.render(1)
        assert watch.wait(4.0)  # less than after which it would look by itself


def test_a_stream_resumes_with_the_first_change(shop: Shop) -> None:
    batch = shop.create(some_lines(3))
    shop.work()
    [last] = read("".join(islice(blocks(shop, batch), 2)))
    shop.run(batch)
    path = f"/v1/batches/{batch['id']}/events"
    [end] = read(shop.http.get(path, headers={"Last-Event-ID": last["id"]}).text)
    assert end["event"] == "batch.completed"
    assert shop.http.get(path, headers={"Last-Event-ID": end["id"]}).status_code == 204


def test_what_was_seen_is_not_told_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_events, "_HEARTBEAT_S", 0)
    batch = shop.create(some_lines(3))
    [seen] = read("".join(islice(blocks(shop, batch), 2)))
    assert list(islice(blocks(shop, batch, seen["id"]), 1, 3)) == [":\n\n"] * 2


def test_a_server_that_stops_and_a_client_that_left_end_the_stream(shop: Shop) -> None:
    batch = shop.create(some_lines(3))
    assert read("".join(blocks(shop, batch, has_left=lambda: True))) == []
    stream = blocks(shop, batch)
    list(islice(stream, 2))
    shop.house.stop()
    assert list(stream) == ["event: server.stopping\ndata: {}\n\n"]
    shop.house.stopping.clear()


def test_a_batch_that_is_deleted_meanwhile_ends_its_stream(shop: Shop) -> None:
    batch = shop.create(some_lines(1))
    stream = blocks(shop, batch)
    list(islice(stream, 2))
    shop.run(batch)
    shop.http.delete(f"/v1/batches/{batch['id']}")
    assert list(stream) == []


def test_nobody_follows_a_batch_that_is_not_there(shop: Shop) -> None:
    assert shop.http.get(f"/v1/batches/batch_{'0' * 26}/events").status_code == 404
