"""Says what is wrong with text that should be JSON: the place, and how to mend it. Quotes at most one character."""

import json
import re

_EXAMPLE = '{"prompt": "a red kite"}'
_LITERALS = re.compile(r"(True|False|None|undefined)\b")


def json_fault(error: ValueError, text: bytes) -> str:
    """Returns what is wrong with a JSON text that `json.loads` refused, as the end of `malformed JSON: ...`."""
    if not text.strip():
        return f"it is empty; send an object such as {_EXAMPLE}"
    if isinstance(error, json.JSONDecodeError):
        return f"{_reason(error)} (line {error.lineno}, column {error.colno})"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start + 1} is not UTF-8" if error.encoding == "utf-8" else "it is not UTF-8"
    return "a number has too many digits"


def _reason(error: json.JSONDecodeError) -> str:
    """Returns the reason of a syntax error. Python's words differ between versions, so the text itself is read, too."""
    before, after = error.doc[: error.pos], error.doc[error.pos :]
    found = next((reason for start, reason in _REASONS.items() if error.msg.startswith(start)), None)
    is_cut = error.msg.startswith("Expecting") and not after.strip()
    return found if found and not is_cut else _reason_of_token(before, after)


def _reason_of_token(before: str, after: str) -> str:
    """Returns why no value or name begins with the text `after`."""
    token = after.lstrip(" \t\r\n,")
    if not token:
        return "it ends too early: a brace or bracket is not closed"
    if token[0] in "}]" and "," in before[-100:].rstrip()[-1:] + after[:1]:
        return f"there is a comma before {token[0]}"
    if found := _LITERALS.match(token):
        return f"{found[0]} is not JSON: write true, false or null"
    hint = next((hint for characters, hint in _HINTS.items() if token[0] in characters), None)
    return hint or f"{_needed(before)}, not {json.dumps(token[0], ensure_ascii=False)}"


def _needed(before: str) -> str:
    """Returns what JSON needs after the text `before`."""
    if before.rstrip()[-1:] == "{":
        return "a name in double quotes must follow here"
    return "a value must follow here, and text needs double quotes"


_HINTS = {
    "'": "names and texts stand in double quotes, not in single quotes",
    "\u201c\u201d\u201e": 'names and texts stand in straight double quotes: "',
    "/#": "JSON has no comments",
}

# By the beginning of Python's message. "Expecting" at the end of the text means that it ends too early.
_REASONS = {
    "Unterminated string": "a text has no closing quote",
    "Invalid control character": r"a text has a line break or another control character: write \n or \u00XX",
    "Invalid \\": r"a backslash must begin an escape, such as \n, \" or \u00e9; write \\ for a backslash",
    "Extra data": "more text follows after the end of the JSON",
    "Expecting ',' delimiter": "a comma is missing, or a bracket or brace is wrong",
    "Expecting ':' delimiter": "a colon must follow the name",
}
