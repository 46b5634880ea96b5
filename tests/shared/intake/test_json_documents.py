"""JSON of strangers: what it may cost, and pictures that are cut out of it."""

import base64
import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from mmap import ACCESS_READ, mmap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidRequest, PayloadTooLarge
from shared.intake.json_documents import MOST_BYTES, MOST_VALUES, read_document

_MIB = 1024 * 1024


def data_url(num_bytes: int, head: str = "data:image/png;base64,") -> str:
    return head + base64.b64encode(os.urandom(num_bytes)).decode()


HOSTILE: dict[str, Callable[[], bytes]] = {
    "60 MB of empty lists": lambda: b"[" + b"[]," * 20_000_000 + b"1]",
    "a million empty lists": lambda: b"[" + b"[]," * 340_000 + b"1]",
    "images of ones": lambda: b'{"images": [' + b"1," * 500_000 + b"1]}",
    "12 MB of unknown fields": lambda: json.dumps({f"field{number}": 1 for number in range(700_000)}).encode(),
    "fields of a picture": lambda: json.dumps({"images": [{f"f{number}": 1 for number in range(9_000)}]}).encode(),
    "a deep list": lambda: b"[" * 1_000_000,
    "a deep object": lambda: b'{"a":' * 150_000,
    "a deep list of few brackets": lambda: b"[" * 60_000 + b"]" * 60_000,
    "an integer of a million digits": lambda: b'{"n": ' + b"9" * 1_000_000 + b"}",
    "a huge key": lambda: b'{"' + b"k" * 2_000_000 + b'": 1}',
    "one key 60,000 times": lambda: b"{" + b",".join([b'"prompt": 1'] * 70_000) + b"}",
    "64 MB of spaces": lambda: b"1".ljust(64 * _MIB),
    "64 MB of escapes": lambda: b'{"prompt": "' + rb"\u0041" * 10_000_000 + b'"}',
    "64 MB of beginnings of pictures": lambda: b'{"images": ["' + b';base64,"' * 7_000_000 + b"]}",
    "brackets behind base64": lambda: b'{"images": ["data:;base64,' + b"A" * 70_000 + b'",' + b"[]," * 300_000 + b"1]}",
    "UTF-16": lambda: ("[" + "[]," * 150_000 + "1]").encode("utf-16"),
    "lone bytes": lambda: b"\xff" * 1_000_000,
}


@pytest.mark.attack
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_refused_before_it_is_parsed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = list[int]()
    plain = json.loads
    monkeypatch.setattr("shared.intake.json_documents.json.loads", lambda text: parsed.append(len(text)) or plain(text))
    with pytest.raises((InvalidRequest, PayloadTooLarge)):
        read_document(HOSTILE[name]())
    assert sum(parsed) <= MOST_BYTES


def test_a_document_at_its_limits_is_read() -> None:
    assert read_document(b"1".ljust(MOST_BYTES)).value == 1
    assert len(read_document(json.dumps([1] * (MOST_VALUES - 1)).encode()).value) == MOST_VALUES - 1
    with pytest.raises(InvalidRequest, match="more than 1000 values"):
        read_document(json.dumps([1] * MOST_VALUES).encode())


@pytest.mark.parametrize("is_on_disk", [False, True])
def test_a_large_picture_is_cut_out_and_found_again(tmp_path: Path, is_on_disk: bool) -> None:
    large, small = data_url(2_000_000), data_url(300)
    text = json.dumps({"prompt": "a;base64,b", "images": [large, small, large]}).encode()
    (tmp_path / "body").write_bytes(text)
    with (tmp_path / "body").open("rb") as file:
        document = read_document(mmap(file.fileno(), 0, access=ACCESS_READ) if is_on_disk else text)
    images = document.value["images"]
    assert images[1] == small
    assert re.fullmatch(r"data:image/png;base64,sha256-[0-9a-f]{64}", images[0])
    pictures = document.pictures_of(images)
    assert [bytes(pictures[images[index].partition(",")[2]]).decode() for index in (0, 2)] == [large[22:]] * 2
    assert document.value["prompt"] == "a;base64,b"


def test_the_same_document_reads_the_same_whatever_was_cut_out() -> None:
    text = json.dumps({"images": [data_url(100_000)]}).encode()
    assert read_document(text).value == read_document(text).value


@pytest.mark.parametrize("field", ["prompt", "metadata"])
def test_base64_that_is_no_picture_is_refused(field: str) -> None:
    document = read_document(json.dumps({field: data_url(100_000)}).encode())
    with pytest.raises(InvalidRequest, match="allowed only as a picture"):
        document.pictures_of([])


def test_a_name_that_was_made_up_is_no_picture() -> None:
    images = ["data:image/png;base64,sha256-" + "0" * 64]
    assert read_document(json.dumps({"images": images}).encode()).pictures_of(images) == {}


def test_a_quote_within_a_string_ends_no_picture() -> None:
    text = json.dumps({"images": [data_url(100_000) + '", "n": 5, "prompt": "b']}).encode()
    assert read_document(text).value == json.loads(text)


@given(st.binary(max_size=200), st.lists(st.sampled_from([b";base64,", b'"', b"\\", b"A" * 70_000, b"[", b",", b"1"])))
def test_no_bytes_raise_anything_but_a_refusal(noise: bytes, parts: list[bytes]) -> None:
    with suppress(InvalidRequest, PayloadTooLarge):
        read_document(noise + b"".join(parts))


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": \xed\xa0\x80}',
        b'{"a": "\xed\xa0\x80"}',
        b"{\xed\xbf\xbf: 1}",
        b'["\xc0\xaf"]',
        '["\ud800"]'.encode("utf-16-le", "surrogatepass"),
    ],
)
def test_bytes_that_are_not_unicode_are_refused_by_an_error_that_can_be_sent(text: bytes) -> None:
    """Python's own parser reads lone surrogates from bytes, and an error that quotes one can't be sent."""
    with pytest.raises(InvalidRequest, match="UTF-8") as caught:
        read_document(text)
    str(caught.value).encode()
