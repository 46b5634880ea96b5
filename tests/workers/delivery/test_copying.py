"""A copy renews its lease while it reads and writes, and a deletion has an end."""

import json
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.errors import LeaseLost
from shared.files import FileId
from shared.ids import JobId
from shared.objects.bucket_errors import BucketRefused
from shared.store.copies.deletion import CopyDeletion
from tests.fixtures.buckets import Buckets
from tests.fixtures.endless_bucket import ULID, EndlessBucket
from tests.fixtures.http_server import HttpServer
from workers.delivery.copies import deleting
from workers.delivery.copies.copying import Copying
from workers.delivery.copies.deleting import delete_copies

CHUNK = 2**18
MIB = 2**20


class Lease:
    """Measures how many bytes and seconds pass between two renewals. Each chunk takes `chunk_s` seconds."""

    def __init__(self, lines: Iterable[bytes], chunk_s: float = 0.0, lost_after: int = 1000) -> None:
        self.data = b"".join(lines)
        self.now_s, self.chunk_s, self.lost_after = 0.0, chunk_s, lost_after
        self.num, self.num_bytes, self.most_bytes = 0, 0, 0
        self.renewed_at_s = self.most_s = 0.0

    def stream(self, _: object) -> Iterator[bytes]:
        for start in range(0, len(self.data), CHUNK):
            self.now_s += self.chunk_s
            self.num_bytes += CHUNK
            self.most_bytes, self.most_s = (
                max(self.most_bytes, self.num_bytes),
                max(self.most_s, self.now_s - self.renewed_at_s),
            )
            yield self.data[start : start + CHUNK]

    def renew(self) -> bool:
        self.num += 1
        self.num_bytes, self.renewed_at_s = 0, self.now_s
        return self.num < self.lost_after


def result_line(num_bytes: int) -> bytes:
    body = {"id": "job_a", "data": [{"b64_json": "A" * num_bytes}]}
    return json.dumps({"custom_id": "a", "response": {"status_code": 400, "body": body}}).encode() + b"\n"


def copy_batch(lease: Lease) -> dict[str, bytes]:
    written: dict[str, bytes] = {}

    def put_parts(key: str, chunks: Iterable[bytes], _: str) -> None:
        written[key] = b"".join(chunks)

    place = SimpleNamespace(folder_of_batch=lambda _: "batch/", location=lambda folder: folder)
    bucket, batch = SimpleNamespace(place=place, put_parts=put_parts), SimpleNamespace(batch_id="batch_a")
    batch.output_file_id, batch.error_file_id = FileId("file_out"), None
    Copying(cast("Any", lease), cast("Any", bucket), lease.renew, lambda: lease.now_s).copy_batch(cast("Any", batch))
    return written


@pytest.mark.parametrize("sizes", [[20 * MIB], [3 * MIB] * 6, [1000] * 9000])
def test_the_lease_is_renewed_by_what_is_read_however_little_is_listed(sizes: list[int]) -> None:
    lease = Lease(map(result_line, sizes))
    written = copy_batch(lease)
    assert written["batch/output.jsonl"] == lease.data
    assert lease.most_bytes <= 8 * MIB + 2 * CHUNK


def test_the_lease_is_renewed_in_time_when_the_bytes_come_slowly() -> None:
    lease = Lease([result_line(4 * MIB)], chunk_s=10)
    copy_batch(lease)
    assert lease.most_s <= 40


def test_a_lost_lease_ends_the_reading() -> None:
    with pytest.raises(LeaseLost):
        copy_batch(Lease([result_line(30 * MIB)], lost_after=7))


JOB = CopyDeletion(job_id=JobId(f"job_{ULID}"))


def test_a_bucket_that_lists_without_end_is_left_after_some_pages(
    buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deleting, "_MOST_PAGES", 3)
    with HttpServer(EndlessBucket) as server:
        bucket = buckets.clients.client_of(buckets.place(endpoint_url=server.url))
        renewed = list[bool]()
        with pytest.raises(BucketRefused, match="still lists objects after 6 deletions"):
            delete_copies(bucket, JOB, lambda: renewed.append(True) or True)
        assert len(renewed) == 3


def test_a_bucket_that_lists_slowly_is_left_after_a_minute(buckets: Buckets) -> None:
    times_s = iter(range(0, 1000, 25))
    with HttpServer(EndlessBucket) as server:
        bucket = buckets.clients.client_of(buckets.place(endpoint_url=server.url))
        with pytest.raises(BucketRefused, match="still lists objects after 6 deletions"):
            delete_copies(bucket, JOB, lambda: True, lambda: next(times_s))


def test_no_object_is_deleted_that_was_not_asked_for(buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EndlessBucket, "elsewhere", True)
    with HttpServer(EndlessBucket) as server:
        bucket = buckets.clients.client_of(buckets.place(endpoint_url=server.url))
        with pytest.raises(BucketRefused, match="other folders"):
            delete_copies(bucket, JOB, lambda: True)
