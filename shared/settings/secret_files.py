"""Reads secret settings from files, for example `GRIDPRESS_REDIS_URL_FILE=/run/secrets/redis_url`. Reads no other
settings.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic_settings import EnvSettingsSource

from shared.errors import Misconfigured

# Secrets need not be in the environment, which `docker inspect`, /proc and crash reports show.
SECRETS = frozenset(
    {
        "redis_url",
        "s3_access_key",
        "s3_secret_key",
        "webhook_secret",
        "webhook_signing_key",
        "enhance_api_key",
        "content_hook_secret",
        "sealing_key",
    }
)


def file_variable(name: str) -> str:
    """Returns the environment variable that names the secret file of a setting."""
    return f"GRIDPRESS_{name.upper()}_FILE"


def given_by_file(environ: Mapping[str, str] = os.environ) -> frozenset[str]:
    """Returns the names of the settings whose value is in a secret file."""
    given = {variable.upper() for variable, path in environ.items() if path}
    return frozenset(name for name in SECRETS if file_variable(name) in given)


class SecretFiles(EnvSettingsSource):
    """Reads secret files, as a source of settings for pydantic-settings. A variable such as `GRIDPRESS_REDIS_URL_FILE`
    names the file, which may have any name and folder.

    Raises `Misconfigured` for a setting with both a value and a file, and for a file that is empty or can't be read.
    """

    def __call__(self) -> dict[str, Any]:
        return {name: _read(name, Path(path)) for name in sorted(SECRETS) if (path := self._path(name))}

    def _path(self, name: str) -> str | None:
        path = self.env_vars.get(file_variable(name).lower())
        if path and self.env_vars.get(f"gridpress_{name}"):
            variable = file_variable(name)
            raise Misconfigured(f"{variable.removesuffix('_FILE')} and {variable} are both set: leave one out")
        return path


def _read(name: str, path: Path) -> str:
    try:
        text = path.read_text().rstrip("\r\n")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Misconfigured(f"{file_variable(name)}={path} can't be read: {why}") from error
    if not text:
        raise Misconfigured(f"{file_variable(name)}={path} is empty")
    return text
