"""Files of weights that are missing or cut short are named before anything is loaded."""

import json
import struct
from pathlib import Path

import pytest

from shared.errors import MissingCheckpoint
from tests.workers.model.weights import safetensors_of, safetensors_with
from workers.model.shards import broken_shards, num_weight_bytes
from workers.model.source import check_parts

SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


WEIGHTS = safetensors_of(b"12345678")


@pytest.fixture
def part(tmp_path: Path) -> Path:
    folder = tmp_path / "transformer"
    folder.mkdir()
    for name, tensor in zip(SHARDS, "ab", strict=True):
        (folder / name).write_bytes(safetensors_of(b"12345678", tensor))
    index = {"weight_map": {"a": SHARDS[0], "b": SHARDS[1]}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def test_whole_files_have_no_fault(part: Path) -> None:
    assert list(broken_shards(part)) == []
    assert num_weight_bytes(part.parent, ["transformer"]) == 16


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


def one(begin: int, end: int, *shape: int, dtype: str = "U8") -> dict[str, object]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("tensors", "why"),
    [
        ({"a": one(0, 8, 4)}, "the tensor a has 8 bytes, and its shape needs 4"),
        ({"a": one(0, 8, 4, dtype="F32")}, "the tensor a has 8 bytes, and its shape needs 16"),
        ({"a": one(0, 4, 4), "c": one(2, 8, 6)}, "the tensor c begins at byte 2, not 4"),
        ({"a": one(0, 2, 2), "c": one(4, 8, 4)}, "the tensor c begins at byte 4, not 2"),
        ({"a": one(0, 8, -8)}, "the tensor a has a negative size"),
        ({"a": one(8, 0, 8), "c": one(0, 8, 8)}, "the tensor a has a negative size"),
    ],
)
def test_a_head_that_does_not_describe_the_bytes_is_named(
    part: Path, tensors: dict[str, dict[str, object]], why: str
) -> None:
    (part / SHARDS[0]).write_bytes(safetensors_with(tensors, b"12345678"))
    assert list(broken_shards(part)) == [f"transformer/{SHARDS[0]} has a wrong head: {why}"]


def test_a_file_that_is_longer_than_its_head_says_is_named(part: Path) -> None:
    (part / SHARDS[1]).write_bytes(safetensors_of(b"12345678", "b") + b"9")
    [fault] = broken_shards(part)
    assert fault.startswith(f"transformer/{SHARDS[1]} has more than its head says")


def test_types_that_only_newer_files_have_are_taken_on_trust(part: Path) -> None:
    (part / SHARDS[0]).write_bytes(safetensors_of(b"12345678", "a", dtype="F4", shape=[16]))
    assert list(broken_shards(part)) == []


def test_two_files_that_were_swapped_are_both_named(part: Path) -> None:
    first, second = (part / name for name in SHARDS)
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)
    faults = list(broken_shards(part))
    assert [fault.partition(",")[0] for fault in faults] == [
        f"transformer/{SHARDS[0]} lacks the tensor a",
        f"transformer/{SHARDS[1]} lacks the tensor b",
    ]


@pytest.mark.parametrize(("lacking", "words"), [(["x"], "the tensor x,"), (["x", "y"], "the tensor x and 1 more,")])
def test_an_index_with_tensors_that_a_file_lacks_is_named(part: Path, lacking: list[str], words: str) -> None:
    index = {"weight_map": {"a": SHARDS[0], "b": SHARDS[1], **dict.fromkeys(lacking, SHARDS[1])}}
    (part / "model.safetensors.index.json").write_text(json.dumps(index))
    [fault] = broken_shards(part)
    assert fault.startswith(f"transformer/{SHARDS[1]} lacks {words}")


def test_every_broken_file_is_named_once(part: Path) -> None:
    (part / SHARDS[0]).write_bytes(b"")
    (part / SHARDS[1]).unlink()
    assert [fault.split()[0] for fault in broken_shards(part)] == [f"transformer/{name}" for name in SHARDS]
