"""Says in one line which environment variable is wrong, and why. Never shows a value: it may be a secret."""

import re

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

# pydantic's words for a failed validator, and for what only a pattern can say.
_VALUE_ERROR = "Value error, "
_IN_WORDS = {"public_url": "must be http:// or https://, a host and perhaps a path, without ? or #"}
_FIELD = re.compile(r'field "(\w+)"')


def faults_of(error: ValidationError | SettingsError) -> str:
    """Returns the variables and their faults, with `;` between."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{_variable(each['loc'])}: {_message(each)}{_hint(each['input'])}" for each in error.errors())
    field = _FIELD.search(str(error))  # pydantic-settings raises it for a value that should be JSON
    return f"{_variable((field[1],))}: not valid JSON" if field else str(error)


def _message(fault: ErrorDetails) -> str:
    if fault["type"] == "string_pattern_mismatch" and (words := _IN_WORDS.get(str(fault["loc"][-1]))):
        return words
    return fault["msg"].removeprefix(_VALUE_ERROR)


def _hint(value: object) -> str:
    """Kubernetes sets `GRIDPRESS_PORT=tcp://...` in every pod beside a Service of the name `gridpress`."""
    return " (Kubernetes set it: enableServiceLinks: false)" if str(value).startswith("tcp://") else ""


def _variable(location: tuple[int | str, ...]) -> str:
    return f"GRIDPRESS_{'.'.join(map(str, location)).upper()}"
