"""Files of weights that are missing or cut short are named before anything is loaded."""

import json
import struct
from pathlib import Path

import pytest

from shared.errors import MissingCheckpoint
from tests.workers.model.weights import safetensors_of
from workers.model.shards import broken_shards
from workers.model.source import check_parts

SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


WEIGHTS = safetensors_of(b"12345678")


@pytest.fixture
def part(tmp_path: Path) -> Path:
    folder = tmp_path / "transformer"
    folder.mkdir()
    for name in SHARDS:
        (folder / name).write_bytes(WEIGHTS)
    index = {"weight_map": {"a": SHARDS[0], "b": SHARDS[1]}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def test_whole_files_have_no_fault(part: Path) -> None:
    assert list(broken_shards(part)) == []


def test_a_shard_that_the_index_names_and_the_folder_lacks_is_named(part: Path) -> None:
    (part / SHARDS[1]).unlink()
    assert list(broken_shards(part)) == [f"transformer/{SHARDS[1]} is missing"]


@pytest.mark.parametrize("kept", range(len(WEIGHTS)))
def test_a_download_that_ended_anywhere_is_named(part: Path, kept: int) -> None:
    (part / SHARDS[0]).write_bytes(WEIGHTS[:kept])
    [fault] = broken_shards(part)
    assert fault.startswith(f"transformer/{SHARDS[0]} is truncated")


@pytest.mark.parametrize(
    "data", [b"<html>not found</html>" * 9, struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 3) + b"{{{"]
)
def test_a_file_that_holds_something_else_is_named(part: Path, data: bytes) -> None:
    (part / SHARDS[0]).write_bytes(data)
    [fault] = broken_shards(part)
    assert fault.startswith(f"transformer/{SHARDS[0]} is ")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_broken_index_is_named(part: Path, text: str) -> None:
    (part / "model.safetensors.index.json").write_text(text)
    assert list(broken_shards(part)) == ["transformer/model.safetensors.index.json can't be read"]


def test_a_worker_refuses_to_load_a_part_with_a_broken_file(part: Path) -> None:
    check_parts(str(part.parent), ("transformer",))
    (part / SHARDS[0]).write_bytes(WEIGHTS[:-1])
    with pytest.raises(MissingCheckpoint, match=f"{SHARDS[0]} is truncated"):
        check_parts(str(part.parent), ("transformer",))
