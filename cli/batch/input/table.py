"""Reads CSV as requests: the header names the fields, the schema of `/v1/jobs` says how a cell is meant."""

import csv
import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from shared.intake.request import JobRequest

_TEXT, _JSON, _LIST = "text", "json", "list"
_OF_THE_LINE = ("custom_id", "name")


def rows(raws: Iterator[bytes]) -> Iterator[tuple[int, dict[str, Any] | ValueError]]:
    """Each row, as the fields that its cells fill, with the number of the line where it begins.

    After a fault in the header, or one of CSV itself, there is no telling what follows: it is the last that is said.
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
    except csv.Error as error:
        yield number, ValueError(f"is not CSV: {error}")
    except _BadHeader as error:
        yield 1, error


class _BadHeader(ValueError):
    """The first line names no columns, or not the right ones."""


def _columns(header: list[str]) -> list[tuple[str, str]]:
    """Name and kind of each column."""
    names, kinds = [name.strip() for name in header], _kinds()
    for name in names:
        if name not in kinds:
            near = get_close_matches(name, kinds, 1)
            raise _BadHeader(f"has a column {name!r}, which is no field{f': is it {near[0]}?' if near else ''}")
        if names.count(name) > 1:
            raise _BadHeader(f"has two columns {name!r}")
    if "prompt" not in names:
        raise _BadHeader("has no column 'prompt': the first line names the columns")
    return [(name, kinds[name]) for name in names]


def _fields(columns: list[tuple[str, str]], row: list[str]) -> dict[str, Any] | ValueError:
    """An empty cell leaves its field out."""
    if len(row) > len(columns):
        return ValueError(f"has {len(row)} cells for {len(columns)} columns: text with commas goes in quotation marks")
    cells = zip(columns, row, strict=False)
    return {name: _value(cell, kind) for (name, kind), cell in cells if cell.strip()}


def _value(cell: str, kind: str) -> Any:
    """What can't be read as its field is stays text: the service will say what is wrong with that line."""
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
