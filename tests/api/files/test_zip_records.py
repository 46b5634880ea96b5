"""A zip of many pictures is made in little memory."""

import io
import tracemalloc
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from api.batches.archive import zip_of

NUM_PICTURES = 10_000


def pictures() -> Iterator[dict[str, Any]]:
    for line in range(NUM_PICTURES):
        name = {"custom_id": f"line-{line}", "line": line, "index": 0, "content_type": "image/png"}
        yield {**name, "file": f"line-{line}.png", "key": f"jobs/{line}", "bytes": 1}


def a_zip() -> Iterator[bytes]:
    house = SimpleNamespace(objects=SimpleNamespace(stream=lambda key: iter([b"x"])))
    batch = SimpleNamespace(batch_id="batch_x", times=SimpleNamespace(created_at=datetime(2026, 11, 28, tzinfo=UTC)))
    return zip_of(house, batch, pictures())  # type: ignore[arg-type]


@pytest.mark.attack
def test_a_zip_keeps_no_record_of_each_picture_in_memory() -> None:
    tracemalloc.start()
    for _ in a_zip():
        pass
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 4_000_000


def test_a_client_may_leave_half_way() -> None:
    half = a_zip()
    assert [len(next(half)) > 0 for _ in range(3)] == [True] * 3
    half.close()  # type: ignore[attr-defined]


def test_what_was_made_so_is_a_zip() -> None:
    whole = io.BytesIO()
    whole.writelines(a_zip())
    with zipfile.ZipFile(whole) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == NUM_PICTURES + 1
