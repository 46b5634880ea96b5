"""The `Prefer` field of a request (RFC 7240): `wait` and `respond-async`; whatever else it says is ignored.

A `wait` that is no number of seconds is ignored, too: the answer says in `Preference-Applied` what was honoured.
"""

import re
from dataclasses import dataclass

from flask import request

from api.services import services

_WORD = r"[!#$%&\'*+\-.^_`|~0-9A-Za-z]+"
_VALUE = rf'(?:{_WORD}|"(?:[^"\\]|\\.)*")'
_PREFERENCE = re.compile(rf"[ \t]*({_WORD})(?:[ \t]*=[ \t]*({_VALUE}|))?((?:[^,\"]|\"(?:[^\"\\]|\\.)*\")*)(?:,|$)")
_SECONDS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Preferences:
    """`wait_s`: how long the answer may take, None when nothing was said. `is_async`: 202 is welcome."""

    wait_s: int | None = None
    is_async: bool = False

    @property
    def applied(self) -> dict[str, str]:
        """The header fields that tell what was honoured."""
        said = ["respond-async"] if self.is_async else []
        said += [] if self.wait_s is None else [f"wait={self.wait_s}"]
        return {"Preference-Applied": ", ".join(said), "Vary": "Prefer"} if said else {}


def preferences() -> Preferences:
    """Of the current request; a longer wait than the service allows is cut to that."""
    settings = services().settings
    asked = parse(", ".join(request.headers.getlist("Prefer")))
    wait_s = _wait_s(asked["wait"], settings.default_wait_s) if "wait" in asked else None
    return Preferences(None if wait_s is None else min(wait_s, settings.max_wait_s), "respond-async" in asked)


def parse(field: str) -> dict[str, str]:
    """Preference (lower case) -> value, '' where there is none. The first of a name counts."""
    found: dict[str, str] = {}
    for name, value, _ in _PREFERENCE.findall(field):
        found.setdefault(name.lower(), _unquoted(value))
    return found


def _wait_s(value: str, default_s: int) -> int | None:
    if value == "":
        return default_s
    return int(value) if _SECONDS.fullmatch(value) else None


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
