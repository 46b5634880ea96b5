"""Describes invalid settings in one line: the environment variable, what it must be and what came. Never shows text,
which may be a secret.
"""

import re

from pydantic import ValidationError
from pydantic_settings import SettingsError

from shared.settings.settings import Settings
from shared.wording.sentences import Flaw, Wording

# Our words for settings that a regular expression validates.
_IN_WORDS = {
    "public_url": "must be http:// or https://, a host and perhaps a path, without ? or #",
    "enhance_base_url": "must be a URL that begins with http:// or https://",
    "prompt_hook_url": "must be a URL that begins with http:// or https://",
    "picture_hook_url": "must be a URL that begins with http:// or https://",
}
_FIELD = re.compile(r'field "(\w+)"')


def faults_of(error: ValidationError | SettingsError) -> str:
    """Returns text that names each invalid environment variable with the reason, separated by `;`."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{_message(flaw)}{_hint(flaw.value)}" for flaw in _WORDING.flaws(error))
    field = _FIELD.search(str(error))  # pydantic-settings raises SettingsError for a value that should be JSON
    return f'{_variable(field[1]) if field else "a setting"} must be JSON, such as {{"name": "value"}}'


def _message(flaw: Flaw) -> str:
    words = _IN_WORDS.get(flaw.field or "") if flaw.kind == "string_pattern_mismatch" else None
    return f"{_variable(flaw.field or '')} {words}" if words else flaw.message


def _hint(value: object) -> str:
    """Returns an addition to the error message of an invalid setting whose value begins with `tcp://`, otherwise an
    empty text. Kubernetes sets variables such as `GRIDPRESS_PORT=tcp://...` for a Service named `gridpress`.
    """
    return " (Kubernetes set it: enableServiceLinks: false)" if str(value).startswith("tcp://") else ""


def _variable(name: str) -> str:
    return f"GRIDPRESS_{name.upper()}"


_WORDING = Wording(Settings, whole="the settings", name_of=_variable, hides_text=True)
