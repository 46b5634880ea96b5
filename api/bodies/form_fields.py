"""Converts form fields with brackets to objects: `expires_after[seconds]` becomes a member of `expires_after`.

OpenAI's clients send objects in this notation.
"""

import re
from collections.abc import Mapping
from typing import Any

from shared.errors import InvalidRequest

_INNER = re.compile(r"([^\[\]]+)\[([^\[\]]+)\]")


def nested(fields: Mapping[str, str]) -> dict[str, Any]:
    """Returns the form fields, with bracketed names as objects, one level deep.

    Raises `InvalidRequest` for malformed brackets, and for a name that is used both for a value and for an object.
    """
    plain = {name: value for name, value in fields.items() if "[" not in name and "]" not in name}
    found: dict[str, Any] = dict(plain)
    for name in fields.keys() - plain.keys():
        inner = _INNER.fullmatch(name)
        if inner is None:
            raise InvalidRequest(f"{name} is not the name of a field", name)
        if inner[1] in plain:
            raise InvalidRequest(f"{inner[1]} is given as a value and as an object", inner[1])
        found.setdefault(inner[1], {})[inner[2]] = fields[name]
    return found
