"""Converts form fields in the notation of OpenAI's clients: `expires_after[seconds]` is a field of `expires_after`."""

import re
from collections.abc import Mapping
from typing import Any

from shared.errors import InvalidRequest

_INNER = re.compile(r"([^\[\]]+)\[([^\[\]]+)\]")


def nested(fields: Mapping[str, str]) -> dict[str, Any]:
    """Returns the fields, nested one level deep. Raises `InvalidRequest` for malformed brackets and for conflicting
    fields.
    """
    plain = {name: value for name, value in fields.items() if "[" not in name and "]" not in name}
    found: dict[str, Any] = dict(plain)
    for name in fields.keys() - plain.keys():
        inner = _INNER.fullmatch(name)
        if inner is None:
            raise InvalidRequest(f"{name} is no name of a field", name)
        if inner[1] in plain:
            raise InvalidRequest(f"{inner[1]} is given as a value and as an object", inner[1])
        found.setdefault(inner[1], {})[inner[2]] = fields[name]
    return found
