"""A batch that is deleted while it is read: 404 before anything is sent, a cut connection later, never a 500."""

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.errors import BatchNotFound, ObjectStoreUnavailable
from shared.ids import ObjectKey
from shared.objects.lines import split_lines
from shared.objects.store import ObjectStore
from shared.store.batches.batches import BatchStore
from shared.store.core.fault_counts import FaultCounts
from tests.workers.batches.shop import Json, Shop, some_lines
from tests.workers.batches.test_delete import delete, sweep

pytestmark = pytest.mark.attack

READS = ["results", "output", "manifest", "archive?format=tar", "archive?format=zip"]


@pytest.fixture
def batch(shop: Shop) -> Json:
    return shop.run(shop.create(some_lines(4)))


@pytest.mark.parametrize("read", READS)
def test_a_batch_deleted_before_its_results_are_read_is_not_found(
    shop: Shop, batch: Json, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    segments = BatchStore.segments

    def deleted_then(self: BatchStore, *args: Any) -> Any:
        found = segments(self, *args)
        if found:
            delete(shop, batch)
            sweep(shop)
        return found

    monkeypatch.setattr(BatchStore, "segments", deleted_then)
    answer = shop.http.get(f"/v1/batches/{batch['id']}/{read}")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "batch_not_found")
    assert FaultCounts(shop.client).read() == {}


@pytest.mark.parametrize("read", READS)
def test_results_deleted_without_their_batch_are_not_found(shop: Shop, batch: Json, read: str) -> None:
    for segment in shop.house.batches.segments(batch["id"]):
        shop.house.objects.delete(segment.key)
    answer = shop.http.get(f"/v1/batches/{batch['id']}/{read}")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "object_not_found")


@pytest.mark.parametrize("read", ["output", "manifest"])
@pytest.mark.parametrize("error", [BatchNotFound, ObjectStoreUnavailable])
def test_results_that_end_while_they_are_sent_cut_the_connection_and_are_logged(
    shop: Shop, batch: Json, monkeypatch: pytest.MonkeyPatch, read: str, error: type[Exception]
) -> None:
    def cut(self: ObjectStore, key: ObjectKey, *, start: int = 0, most_bytes: int) -> Iterator[tuple[int, bytes]]:
        yield from list(split_lines(self.stream(key), start, most_bytes))[:2]
        raise error("gone")

    monkeypatch.setattr(ObjectStore, "lines", cut)
    with capture_logs() as logged:
        answer = shop.http.get(f"/v1/batches/{batch['id']}/{read}", buffered=False)
        assert answer.status_code == 200
        lines = []
        with pytest.raises(error):
            lines.extend(answer.response)
    assert [each["event"] for each in logged if each["log_level"] != "info"] == ["download.broken_off"]


def test_a_line_that_can_not_be_read_spoils_no_result(shop: Shop, batch: Json) -> None:
    [segment] = shop.house.batches.segments(batch["id"])
    lines = shop.house.objects.get(segment.key).splitlines(keepends=True)
    lines[1:1] = [b"{\n", b"[]\n", b'{"response": {"status_code": 200, "body": {}}}\n', b"\xff\n"]
    shop.house.objects.put(segment.key, b"".join(lines), "application/jsonl")
    shop.client.lset(
        f"gridpress:batch_segments:{batch['id']}", 0, f'["{segment.key}", {len(lines)}, {segment.num_bytes}]'
    )
    for read in READS:
        answer = shop.http.get(f"/v1/batches/{batch['id']}/{read}")
        assert answer.status_code == 200, read
    assert len(shop.http.get(f"/v1/batches/{batch['id']}/manifest").data.splitlines()) == 4
    assert FaultCounts(shop.client).read()["unreadable.result"] > 4
