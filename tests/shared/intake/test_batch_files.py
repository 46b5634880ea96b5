"""Files that are no JSON lines are told so once, whatever their length, and blank lines count for nothing."""

import bz2
import gzip
import json
import lzma
import zipfile
from collections.abc import Callable, Iterable
from io import BytesIO

import pytest

from shared.batches.batch import BatchSpec, Fault
from shared.egress.rules import EgressRules
from shared.files import FileId
from shared.ids import DEFAULT_TENANT
from shared.intake.batch_file import FileCheck
from shared.models.catalogue import Catalogue
from shared.models.names import ModelNames
from shared.settings.settings import Settings

OBJECTS = [
    {"custom_id": str(number), "method": "POST", "url": "/v1/jobs", "body": {"prompt": "a kite"}} for number in range(9)
]
TEXTS = [json.dumps(line) for line in OBJECTS]
FIRST = TEXTS[0].encode()
LINES = "\n".join(TEXTS)


def zipped(text: str) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("lines.jsonl", text)
    return file.getvalue()


KINDS: dict[str, tuple[Callable[[], bytes], str, int]] = {
    "gzip": (lambda: gzip.compress(LINES.encode()), "compressed with gzip", 1),
    "zip": (lambda: zipped(LINES), "a ZIP archive or a spreadsheet", 1),
    "bzip2": (lambda: bz2.compress(LINES.encode()), "compressed with bzip2", 1),
    "xz": (lambda: lzma.compress(LINES.encode()), "compressed with xz", 1),
    "UTF-16": (lambda: LINES.encode("utf-16"), "UTF-16", 1),
    "UTF-16 without a mark": (lambda: LINES.encode("utf-16-le"), "UTF-16", 1),
    "UTF-16, big-endian": (lambda: LINES.encode("utf-16-be"), "UTF-16", 1),
    "UTF-32": (lambda: LINES.encode("utf-32"), "UTF-32", 1),
    "an array": (lambda: json.dumps(OBJECTS).encode(), "JSON array", 1),
    "an array with a mark": (lambda: b"\xef\xbb\xbf" + json.dumps(OBJECTS).encode(), "JSON array", 1),
    "an indented array": (lambda: json.dumps(OBJECTS, indent=2).encode(), "JSON array", 1),
    "an array behind blank lines": (lambda: b"\n\n" + json.dumps(OBJECTS).encode(), "JSON array", 3),
    "indented objects": (
        lambda: "\n".join(json.dumps(line, indent=2) for line in OBJECTS).encode(),
        "several lines",
        1,
    ),
    "CR": (lambda: "\r".join(TEXTS).encode(), "carriage return", 1),
    "commas": (lambda: ",\n".join(TEXTS).encode(), "ends in a comma", 1),
    "a comma later": (lambda: b"%b\n%b,\r\n%b," % (FIRST, FIRST, FIRST), "ends in a comma", 2),
}


def checked(lines: Iterable[bytes], **limits: int) -> FileCheck:
    settings = Settings(**limits)  # type: ignore[arg-type]
    file_id = FileId("file-" + "0" * 26)
    spec = BatchSpec(tenant=DEFAULT_TENANT, input_file_id=file_id, endpoint="/v1/jobs", window="24h", window_s=86_400)
    rules, catalogue = EgressRules.of(settings, lambda: False), Catalogue(ModelNames.of(settings))
    check = FileCheck(spec, settings, rules, catalogue)
    assert check.take(lines) == []
    check.end()
    return check


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_no_json_lines_is_told_so_once(kind: str) -> None:
    make, words, line = KINDS[kind]
    check = checked(make().split(b"\n"))
    assert [(fault.code, fault.line) for fault in check.fatal] == [("invalid_json_line", line)]
    assert words in check.fatal[0].message
    assert check.is_hopeless


@pytest.mark.parametrize("blank", [b"", b" \t", b"\r"])
def test_blank_lines_count_for_nothing(blank: bytes) -> None:
    lines = [b"\xef\xbb\xbf", *(each for text in TEXTS for each in (text.encode(), blank)), blank]
    check = checked(lines, max_batch_lines=len(TEXTS))
    assert (check.fatal, check.num_requests, check.is_hopeless) == ([], len(TEXTS), False)


def test_a_file_of_endless_blank_lines_is_refused_before_it_takes_memory() -> None:
    check = checked([FIRST, *[b""] * 50], max_batch_lines=10)
    what = "a batch has at most 10 lines, and its file has at most 40 blank lines"
    assert check.fatal == [Fault(code="too_many_lines", message=what)]
