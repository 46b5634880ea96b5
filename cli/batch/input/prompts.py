"""Reads a file of prompts (JSON lines, CSV or plain text) and converts each line to OpenAI's batch format.

Does not check the requests in the lines, because the service does.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cli.batch.input.table import rows
from shared.intake.file_kinds import why_no_lines, why_no_text, without_mark
from shared.wording.json_text import json_fault

NATIVE_ENDPOINT = "/v1/jobs"
Entry = tuple[int, dict[str, Any] | ValueError]  # the number of a line, and its fields or its fault
_START_BYTES = 16  # enough to recognise compressed files and UTF-16


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a batch. Its `fields` are in OpenAI's batch format.

    `number` is the number of the line in the file of prompts where it begins, counted from 1.
    """

    number: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """A line of the file of prompts that can't be used: its line number and the reason."""

    number: int
    why: str


def read(path: Path, file: IO[bytes]) -> Iterator[Line | Fault]:
    """Yields each line of a file of prompts in order: a `Line`, or a `Fault` if it can't be read. Skips blank lines.

    Reads a file whose name ends with .csv as CSV, and one that ends with .txt as prompts, unless it begins with `{`.
    Reads any other file as JSON lines. Each row or line is a request to `/v1/jobs`, with an optional `custom_id` or
    `name`. A JSON line may also be in OpenAI's batch format.
    """
    if why := why_no_text(file.read(_START_BYTES)):
        yield Fault(1, f"can't be read: {why}")
        return
    file.seek(0)
    found = _reader(path, file)(_without_bom(file))
    for number, entry in found:
        yield (
            Fault(number, str(entry)) if isinstance(entry, ValueError) else Line(number, _in_batch_form(number, entry))
        )


def _reader(path: Path, file: IO[bytes]) -> Callable[[Iterator[bytes]], Iterator[Entry]]:
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return rows
    first = next((raw for raw in _without_bom(file) if raw.strip()), b"")
    file.seek(0)
    return _texts if suffix == ".txt" and not first.lstrip().startswith(b"{") else _objects


def _texts(raws: Iterator[bytes]) -> Iterator[Entry]:
    """Yields each line that is not blank as a prompt."""
    for number, raw in enumerate(raws, 1):
        try:
            prompt = raw.decode().strip()
        except UnicodeDecodeError:
            yield number, ValueError("is not UTF-8")
            continue
        if prompt:
            yield number, {"prompt": prompt}


def _without_bom(file: IO[bytes]) -> Iterator[bytes]:
    for number, raw in enumerate(file):
        yield raw if number else without_mark(raw)


def _objects(raws: Iterator[bytes]) -> Iterator[Entry]:
    is_first = True
    for number, raw in enumerate(raws, 1):
        if not raw.strip():
            continue
        if why := why_no_lines(raw, is_first=is_first):
            yield number, ValueError(f"can't be read: {why}")
            return
        is_first = False
        yield number, _object(raw)


def _object(raw: bytes) -> dict[str, Any] | ValueError:
    try:
        found = json.loads(raw.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        return ValueError("is not UTF-8")
    except _NoNumber as error:
        return ValueError(f"is not JSON: {error}")
    except RecursionError:
        return ValueError("is not JSON: nested too deeply")
    except ValueError as error:
        return ValueError(f"is not JSON: {json_fault(error, raw)}")
    return found if isinstance(found, dict) else ValueError("is not a JSON object")


class _NoNumber(ValueError):
    """Raised for NaN and the infinities, which Python reads but JSON lacks."""


def _refuse_constant(name: str) -> None:
    raise _NoNumber(f"{name} is not a JSON number")


def _in_batch_form(number: int, fields: dict[str, Any]) -> dict[str, Any]:
    """Converts the fields of one line to OpenAI's batch format. Returns fields that have this format already unchanged.

    A line without a `custom_id` or `name` gets a `custom_id` from its line number, which is the same in every run.
    """
    if "url" in fields and "body" in fields:
        return fields
    given = [fields.pop(name, None) for name in ("custom_id", "name")]
    custom_id = next((name for name in given if name not in (None, "")), f"line-{number:05}")
    named = {"custom_id": custom_id if isinstance(custom_id, str) else json.dumps(custom_id)}
    return named | {"method": "POST", "url": NATIVE_ENDPOINT, "body": fields}
