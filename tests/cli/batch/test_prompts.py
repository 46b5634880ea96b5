"""What a file of prompts may be, and what is said of one that is not."""

import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.batch.input.lines import batch_lines
from cli.batch.input.prompts import Fault, Line, read
from cli.errors import Failure


def lines(raw: bytes, name: str = "p.jsonl") -> list[Line | Fault]:
    return list(read(Path(name), io.BytesIO(raw)))


def bodies(raw: bytes, name: str = "p.csv") -> list[Any]:
    found = lines(raw, name)
    assert all(isinstance(line, Line) for line in found), found
    return [line.fields["body"] for line in found if isinstance(line, Line)]


def refused(tmp_path: Path, name: str, raw: bytes) -> str:
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(Failure) as refusal, batch_lines(tmp_path / name):
        pass
    return refusal.value.format_message()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"custom_id": "a"}, "a"),
        ({"name": "b"}, "b"),
        ({"custom_id": "a", "name": "b"}, "a"),
        ({"custom_id": 7}, "7"),
        ({"custom_id": ""}, "line-00001"),
        ({}, "line-00001"),
    ],
)
def test_a_line_is_called_what_it_says_or_after_its_number(fields: dict[str, Any], expected: str) -> None:
    [line] = lines(json.dumps({**fields, "prompt": "a fox"}).encode())
    assert isinstance(line, Line)
    assert line.fields == {"custom_id": expected, "method": "POST", "url": "/v1/jobs", "body": {"prompt": "a fox"}}


def test_blank_lines_count_but_are_no_lines() -> None:
    assert [line.number for line in lines(b'\n{"prompt": "a"}\r\n\n  \n{"prompt": "b"}')] == [2, 5]


def test_plain_text_has_a_prompt_on_each_line() -> None:
    raw = '\ufeffa red star\n\n  {a fox}, "OPEN" \r\n# 5'.encode()
    assert bodies(raw, "p.txt") == [{"prompt": "a red star"}, {"prompt": '{a fox}, "OPEN"'}, {"prompt": "# 5"}]
    assert [line.number for line in lines(raw, "p.TXT")] == [1, 3, 4]


def test_json_lines_may_be_in_a_text_file() -> None:
    assert bodies(b'\n{"prompt": "a", "n": 2}\n', "p.txt") == [{"prompt": "a", "n": 2}]


def test_a_prompt_that_is_not_utf8_is_told_with_its_number(tmp_path: Path) -> None:
    assert "\n  line 2 is not UTF-8" in refused(tmp_path, "p.txt", b"a\n\xff\nb\n")


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b'{"prompt": ', "is not JSON"),
        (b'["a"]', "is not a JSON object"),
        (b'{"prompt": "b"},', "can't be read: the line ends in a comma"),
        (b'{"prompt": "\xff"}', "is not UTF-8"),
        (b'{"seed": NaN}', "is not JSON: NaN is not a JSON number"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
def test_a_line_that_is_no_request_is_told_with_its_number(tmp_path: Path, raw: bytes, why: str) -> None:
    said = refused(tmp_path, "p.jsonl", b'{"prompt": "a"}\n\n' + raw + b'\n{"prompt": "b"}\n')
    assert f"\n  line 3 {why}" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "raw", "why"),
    [
        ("p.jsonl", b'[{"prompt": "a"}]', "a JSON array"),
        ("p.jsonl", b'{"prompt": "a"}\r{"prompt": "b"}\r', "carriage return"),
        ("p.jsonl", b"\x1f\x8b\x08\0", "compressed with gzip"),
        ("p.csv", "prompt\na kite\n".encode("utf-16"), "is UTF-16"),
        ("p.csv", b"PK\x03\x04", "a spreadsheet"),
    ],
)
def test_a_file_of_another_kind_is_told_so(tmp_path: Path, name: str, raw: bytes, why: str) -> None:
    said = refused(tmp_path, name, raw)
    assert "\n  line 1 can't be read: the " in said
    assert why in said


def test_all_lines_that_are_wrong_are_told_at_once(tmp_path: Path) -> None:
    said = refused(tmp_path, "p.jsonl", b"x\n{}\nx\n" + b"x\n" * 50)
    assert "line 1 " in said
    assert "line 3 " in said
    assert said.endswith("...")


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ({"custom_id": "a"}, "has the custom_id 'a' of line 1"),
        ({"url": "/v1/jobs", "body": {}}, "has no custom_id"),
        ({"prompt": "\ud800"}, "holds a lone surrogate"),
    ],
)
def test_lines_that_cannot_be_told_apart_or_sent_are_refused(tmp_path: Path, second: dict[str, Any], why: str) -> None:
    raw = b'{"custom_id": "a"}\n' + json.dumps(second).encode()
    assert f"line 2 {why}" in refused(tmp_path, "p.jsonl", raw)


def test_a_file_without_lines_is_refused(tmp_path: Path) -> None:
    assert "has no lines" in refused(tmp_path, "p.jsonl", b"\n\n")
    assert "has no lines" in refused(tmp_path, "p.csv", b"prompt\n")


def test_cells_are_typed_as_the_api_has_their_fields() -> None:
    header = b"prompt,size,seed,guidance_scale,resize,images,metadata,quality\n"
    row = b'7,512x512,7,2.5,TRUE,file-a,"{""sku"": ""007""}",fast\n'
    assert bodies(header + row) == [
        {
            "prompt": "7",
            "size": "512x512",
            "seed": 7,
            "guidance_scale": 2.5,
            "resize": True,
            "images": ["file-a"],
            "metadata": {"sku": "007"},
            "quality": "fast",
        }
    ]


def test_several_images_are_a_list_of_json() -> None:
    assert bodies(b'prompt,images\nboth,"[""file-a"", ""file-b""]"\n') == [
        {"prompt": "both", "images": ["file-a", "file-b"]}
    ]


def test_empty_cells_leave_their_fields_out() -> None:
    assert bodies(b"prompt,seed,size\na fox,,\nan owl\n") == [{"prompt": "a fox"}, {"prompt": "an owl"}]


def test_a_cell_that_is_not_what_its_field_is_goes_to_the_service_which_refuses_that_line_alone() -> None:
    assert bodies(b"prompt,seed\na,soon\nb,NaN\n") == [{"prompt": "a", "seed": "soon"}, {"prompt": "b", "seed": "NaN"}]


def test_a_spreadsheets_csv_with_texts_of_several_lines_is_read() -> None:
    raw = b'\xef\xbb\xbfprompt, custom_id\r\n"a sign:\r\n""Open, late""",sign\r\n\r\na fox,fox\r\n'
    found = [line for line in lines(raw, "p.CSV") if isinstance(line, Line)]
    assert [(line.number, line.fields["custom_id"]) for line in found] == [(2, "sign"), (5, "fox")]
    assert found[0].fields["body"]["prompt"] == 'a sign:\r\n"Open, late"'


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"prompt,sead\na,1\n", "line 1 has a column 'sead', which is no field: is it seed?"),
        (b"size\n512x512\n", "line 1 has no column 'prompt'"),
        (b"prompt,prompt\na,b\n", "line 1 has two columns 'prompt'"),
        (b"prompt\na\na, fox\n", "line 3 has 2 cells for 1 columns"),
        (b'prompt\na\n"a"b\n', "line 3 is not CSV"),
        (b'prompt\na\n"a\n\n', "line 3 is not CSV"),
        (b"prompt\na\n\xff\n", "line 3 is not UTF-8"),
        (b"", "line 1 has no column 'prompt'"),
    ],
)
def test_bad_csv_is_told_with_its_line(tmp_path: Path, raw: bytes, why: str) -> None:
    assert why in refused(tmp_path, "p.csv", raw)


def test_prompts_are_not_kept_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps({"prompt": "x" * 20_000}) + "\n" for _ in range(500)))
    tracemalloc.start()
    try:
        with batch_lines(path) as found:
            peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found.places) == 500
    assert peak_bytes < path.stat().st_size / 5


@given(st.binary(max_size=200), st.sampled_from(["p.csv", "p.jsonl"]))
def test_whatever_a_file_holds_is_read_or_told(raw: bytes, name: str) -> None:
    for found in lines(raw, name):
        assert isinstance(found, Line | Fault)
        assert found.number >= 1
