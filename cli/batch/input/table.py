"""Reads a CSV file of prompts: each row is a request, and the first row names the fields.

The schema of `/v1/jobs` decides how the cells of a column are parsed.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from typing import Any

from shared.intake.request import JobRequest
from shared.wording.values import nearest, why_absent

_TEXT, _JSON, _LIST = "text", "json", "list"
_OF_THE_LINE = ("custom_id", "name")


def rows(raws: Iterator[bytes]) -> Iterator[tuple[int, dict[str, Any] | ValueError]]:
    """Yields the line number of each CSV row that is not blank, with its fields or a `ValueError` about its fault.

    Stops after an error in the header, the encoding or the CSV syntax, because the rest of the file can't be parsed.
    """
    reader = csv.reader((raw.decode() for raw in raws), strict=True)
    number = 1
    try:
        columns = _columns(next(reader, []))
        while True:
            number = reader.line_num + 1
            row = next(reader, None)
            if row is None:
                return
            if any(cell.strip() for cell in row):
                yield number, _fields(columns, row)
    except UnicodeDecodeError:
        yield reader.line_num + 1, ValueError("is not UTF-8")
    except csv.Error:
        yield (
            number,
            ValueError("is not CSV: put a cell with commas, quotes or line breaks in quotes, and double quotes in it"),
        )
    except _BadHeader as error:
        yield 1, error


class _BadHeader(ValueError):
    """Raised when the header of a CSV file has a missing, unknown or repeated column."""


def _columns(header: list[str]) -> list[tuple[str, str]]:
    """Returns the name and the kind (`text`, `json` or `list`) of each column in a CSV header. Raises `_BadHeader`."""
    names, kinds = [name.strip() for name in header], _kinds()
    for name in names:
        if name not in kinds:
            near = nearest(name, kinds)
            why = why_absent(name) or (f"is it {near}?" if near else "/openapi.json has the known names")
            raise _BadHeader(f"has a column {name!r}, which is no field: {why}")
        if names.count(name) > 1:
            raise _BadHeader(f"has two columns {name!r}")
    if "prompt" not in names:
        raise _BadHeader("has no column 'prompt': the first line names the columns")
    return [(name, kinds[name]) for name in names]


def _fields(columns: list[tuple[str, str]], row: list[str]) -> dict[str, Any] | ValueError:
    """Returns the fields of one CSV row, without empty cells. Returns a `ValueError` if the row has too many cells."""
    if len(row) > len(columns):
        return ValueError(f"has {len(row)} cells for {len(columns)} columns: put text with commas in quotation marks")
    cells = zip(columns, row, strict=False)
    return {name: _value(cell, kind) for (name, kind), cell in cells if cell.strip()}


def _value(cell: str, kind: str) -> Any:
    """Parses one cell of a CSV file: as text if its column has the kind `text`, otherwise as JSON.

    A cell that is not valid JSON stays text, and the service then rejects its line.
    """
    if kind == _TEXT:
        return cell
    try:
        value = json.loads(cell.lower() if cell.strip().lower() in ("true", "false") else cell, parse_constant=str)
    except (ValueError, RecursionError):
        value = cell
    return [value] if kind == _LIST and not isinstance(value, list) else value


def _kinds() -> dict[str, str]:
    schema = JobRequest.model_json_schema()
    kinds = {name: _kind(field, schema["$defs"]) for name, field in schema["properties"].items()}
    return kinds | dict.fromkeys(_OF_THE_LINE, _TEXT)


def _kind(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    ways = [
        definitions[way["$ref"].rpartition("/")[2]] if "$ref" in way else way for way in field.get("anyOf", [field])
    ]
    types = {way["type"] for way in ways}
    if "array" in types:
        return _LIST
    return _TEXT if "string" in types else _JSON
