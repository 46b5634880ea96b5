"""Reads the header field `Prefer` (RFC 7240) with the preferences `wait` and `respond-async`. Ignores all others.

A `wait` that is not a number of seconds is ignored as well. The response reports in `Preference-Applied` which
preferences were applied.
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
    """The preferences in the header field `Prefer` of a request.

    `wait_s` is the number of seconds to wait for the job before the response, or None without the preference `wait`.
    `is_async` is true if the request has `respond-async`, which asks for a 202.
    """

    wait_s: int | None = None
    is_async: bool = False

    @property
    def applied(self) -> dict[str, str]:
        """Returns the header fields that tell the client which of its preferences were applied."""
        said = ["respond-async"] if self.is_async else []
        said += [] if self.wait_s is None else [f"wait={self.wait_s}"]
        return {"Preference-Applied": ", ".join(said), "Vary": "Prefer"} if said else {}


def preferences() -> Preferences:
    """Returns the preferences of the current request. The setting `max_wait_s` limits the wait."""
    settings = services().settings
    asked = parse(", ".join(request.headers.getlist("Prefer")))
    wait_s = _wait_s(asked["wait"], settings.default_wait_s) if "wait" in asked else None
    return Preferences(None if wait_s is None else min(wait_s, settings.max_wait_s), "respond-async" in asked)


def parse(field: str) -> dict[str, str]:
    """Parses a header field `Prefer`. Returns the values of the preferences by name in lower case.

    A preference without a value has the value `''`. If a preference appears more than once, the first one counts.
    """
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
