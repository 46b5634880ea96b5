"""Parses Server-Sent Events. Gets bytes and gives events; reads from nothing."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gridpress.client.errors import UnexpectedResponse


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `type` is its name, such as `render.progress`, and `data` its fields.

    `id` is the point at which a stream can be resumed, or None for an event that is not stored.
    """

    type: str
    data: Mapping[str, Any]
    id: str | None = None


@dataclass(slots=True)
class Parser:
    """Splits the bytes of a stream into events. An event may arrive in several pieces."""

    _rest: bytes = b""
    _lines: list[str] = field(default_factory=list)

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Yields the events that end in this piece. Raises `UnexpectedResponse` for data that is not a JSON object."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            text = line.removesuffix(b"\r").decode(errors="replace")
            if text:
                self._lines.append(text)
                continue
            event, self._lines = _event(self._lines), []
            if event:
                yield event


def _event(lines: list[str]) -> Event | None:
    """Returns the event of these lines, or None if they are only comments."""
    fields: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields.setdefault(name, []).append(value.removeprefix(" "))
    if "data" not in fields:
        return None
    try:
        data = json.loads("\n".join(fields["data"]))
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise UnexpectedResponse("an event of the stream has no JSON object as its data")
    return Event(fields.get("event", ["message"])[-1], data, fields.get("id", [None])[-1])
