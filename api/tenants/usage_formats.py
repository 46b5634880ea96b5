"""Writes usage as CSV and as JSON lines, and chooses the format of a response."""

import csv
import io
from collections.abc import Iterator
from itertools import islice
from typing import Literal

from flask import request

from api.tenants.usage_rows import Group
from api.tenants.usage_schemas import UsageResponse

Format = Literal["json", "csv", "jsonl"]

_COLUMNS = [name for name in UsageResponse.model_fields if name != "object"]
_TYPES: dict[str, Format] = {
    "application/json": "json",
    "text/csv": "csv",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
}
_TOGETHER = 200  # rows that are sent at once


def format_of(asked: Format | None) -> Format:
    """Returns the format of the response: what the request asks for, else the first known one of its `Accept`."""
    return asked or _TYPES[request.accept_mimetypes.best_match(list(_TYPES), "application/json")]


def in_csv(rows: Iterator[Group]) -> Iterator[str]:
    """Yields CSV (RFC 4180) with a header line. An empty cell stands for null."""
    yield ",".join(_COLUMNS) + "\r\n"
    while some := list(islice(rows, _TOGETHER)):
        text = io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS, extrasaction="ignore")
        writer.writerows(UsageResponse.of(row).model_dump(mode="json") for row in some)
        yield text.getvalue()


def in_json_lines(rows: Iterator[Group]) -> Iterator[str]:
    """Yields one JSON object for each row, each on a line of its own."""
    while some := list(islice(rows, _TOGETHER)):
        yield "".join(UsageResponse.of(row).model_dump_json() + "\n" for row in some)
