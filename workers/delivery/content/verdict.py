"""Reads the verdict of a content hook from the body of its response.

The body is a JSON object: `{"decision": "allow"}`, or `{"decision": "reject", "code": "...", "reason": "..."}`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workers.delivery.content.errors import NoVerdict

_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_MOST_REASON_CHARS = 300


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict of a content hook. A refusal may have the code and the reason of the operator's policy."""

    is_allowed: bool
    code: str | None = None
    reason: str | None = None


def verdict_of(body: bytes) -> Verdict:
    """Returns the verdict in a response body. Raises `NoVerdict` for any other body."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NoVerdict("unreadable_answer", "the response is not JSON") from error
    match found:
        case {"decision": "allow"}:
            return Verdict(is_allowed=True)
        case {"decision": "reject"}:
            return Verdict(is_allowed=False, code=_code(found), reason=_reason(found))
    raise NoVerdict("unreadable_answer", 'the response has no "decision" with the value "allow" or "reject"')


def _code(found: Mapping[str, Any]) -> str | None:
    code = found.get("code")
    if code is not None and not (isinstance(code, str) and _CODE.fullmatch(code)):
        raise NoVerdict("unreadable_answer", "code is not a text of 1 to 64 letters, digits and the characters _ . : -")
    return code


def _reason(found: Mapping[str, Any]) -> str | None:
    """Returns the reason as one line of at most 300 characters that can be encoded in UTF-8."""
    reason = found.get("reason")
    if reason is None:
        return None
    if not isinstance(reason, str):
        raise NoVerdict("unreadable_answer", "reason is not a text")
    text = reason.encode("utf-8", "replace").decode()
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(line.split())[:_MOST_REASON_CHARS] or None
