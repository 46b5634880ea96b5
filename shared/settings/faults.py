"""Describes invalid settings in one line: the environment variable and the reason. Never shows a value, which may be a
secret.
"""

import re

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

# pydantic's prefix for the message of a validator, and our message for a setting that a regular expression validates.
_VALUE_ERROR = "Value error, "
_IN_WORDS = {"public_url": "must be http:// or https://, a host and perhaps a path, without ? or #"}
_FIELD = re.compile(r'field "(\w+)"')


def faults_of(error: ValidationError | SettingsError) -> str:
    """Returns text that names each invalid environment variable with the reason, separated by `;`."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{_variable(each['loc'])}: {_message(each)}{_hint(each['input'])}" for each in error.errors())
    field = _FIELD.search(str(error))  # pydantic-settings raises SettingsError for a value that should be JSON
    return f"{_variable((field[1],))}: not valid JSON" if field else str(error)


def _message(fault: ErrorDetails) -> str:
    if fault["type"] == "string_pattern_mismatch" and (words := _IN_WORDS.get(str(fault["loc"][-1]))):
        return words
    return fault["msg"].removeprefix(_VALUE_ERROR)


def _hint(value: object) -> str:
    """Returns an addition to the error message of an invalid setting whose value begins with `tcp://`, otherwise an
    empty text. Kubernetes sets variables such as `GRIDPRESS_PORT=tcp://...` for a Service named `gridpress`.
    """
    return " (Kubernetes set it: enableServiceLinks: false)" if str(value).startswith("tcp://") else ""


def _variable(location: tuple[int | str, ...]) -> str:
    return f"GRIDPRESS_{'.'.join(map(str, location)).upper()}"
