"""Reads a file of prompts, JSON lines or CSV, as lines of a batch. The service judges what they ask for."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cli.batch.input.table import rows

NATIVE_ENDPOINT = "/v1/jobs"
_BOM = b"\xef\xbb\xbf"  # spreadsheets begin their CSV with it


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a batch, in OpenAI's form. `number` is that of the line of the file where it begins, from 1."""

    number: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a line of the file can't be read."""

    number: int
    why: str


def read(path: Path, file: IO[bytes]) -> Iterator[Line | Fault]:
    """All lines that are not blank, in order. A name that ends with .csv means CSV; any other, JSON lines.

    A line is a request to `/v1/jobs`, with a `custom_id` or `name` if wanted, or a line of OpenAI's batch form.
    """
    is_table = path.suffix.lower() == ".csv"
    found = rows(_without_bom(file)) if is_table else _objects(_without_bom(file))
    for number, entry in found:
        yield (
            Fault(number, str(entry)) if isinstance(entry, ValueError) else Line(number, _in_batch_form(number, entry))
        )


def _without_bom(file: IO[bytes]) -> Iterator[bytes]:
    for number, raw in enumerate(file):
        yield raw if number else raw.removeprefix(_BOM)


def _objects(raws: Iterator[bytes]) -> Iterator[tuple[int, dict[str, Any] | ValueError]]:
    for number, raw in enumerate(raws, 1):
        if raw.strip():
            yield number, _object(raw)


def _object(raw: bytes) -> dict[str, Any] | ValueError:
    try:
        found = json.loads(raw.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        return ValueError("is not UTF-8")
    except json.JSONDecodeError as error:
        return ValueError(f"is not JSON: {error.msg} at column {error.colno}")
    except (ValueError, RecursionError) as error:
        return ValueError(f"is not JSON: {error}")
    return found if isinstance(found, dict) else ValueError("is not a JSON object")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def _in_batch_form(number: int, fields: dict[str, Any]) -> dict[str, Any]:
    """A line without a name of its own is called after its number, so that it has the same one tomorrow."""
    if "url" in fields and "body" in fields:
        return fields
    given = [fields.pop(name, None) for name in ("custom_id", "name")]
    custom_id = next((name for name in given if name not in (None, "")), f"line-{number:05}")
    named = {"custom_id": custom_id if isinstance(custom_id, str) else json.dumps(custom_id)}
    return named | {"method": "POST", "url": NATIVE_ENDPOINT, "body": fields}
