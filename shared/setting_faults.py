"""Says in one line which environment variable is wrong, and why. Never shows a value: it may be a secret."""

import re

from pydantic import ValidationError
from pydantic_settings import SettingsError

_FIELD = re.compile(r'field "(\w+)"')


def faults_of(error: ValidationError | SettingsError) -> str:
    """Returns the variables and their faults, with `;` between."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{_variable(each['loc'])}: {each['msg']}{_hint(each['input'])}" for each in error.errors())
    field = _FIELD.search(str(error))  # pydantic-settings raises it for a value that should be JSON
    return f"{_variable((field[1],))}: not valid JSON" if field else str(error)


def _hint(value: object) -> str:
    """Kubernetes sets `GRIDPRESS_PORT=tcp://...` in every pod beside a Service of the name `gridpress`."""
    return " (Kubernetes set it: enableServiceLinks: false)" if str(value).startswith("tcp://") else ""


def _variable(location: tuple[int | str, ...]) -> str:
    return f"GRIDPRESS_{'.'.join(map(str, location)).upper()}"
