"""Creates missing secrets and checks that the volumes can be written. Compose runs it before all other services.

`python prepare.py SECRETS_FOLDER VOLUME...` runs in the worker image, as that image's user. It prints no secret.
"""

import base64
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.access.keys import new_key, weakness
from shared.objects.sealing import new_sealing_key
from shared.webhooks.secrets import is_webhook_secret, new_secret

_ACTIONS = ["Admin", "Read", "Write", "List", "Tagging"]


class Refused(Exception):
    """Raised if a folder or a secret can't be used. The message says what to do."""


def make_secrets(folder: Path) -> None:
    """Writes each secret that has no file yet, and the configuration of Valkey and SeaweedFS with these secrets.

    Raises `Refused` if a secret can't be written, is empty or is malformed.
    """
    made = {name: _read_or_create(folder / name, make) for name, make in _MAKERS.items()}
    _check(made)
    password, access, secret = made["valkey_password"], made["s3_access_key"], made["s3_secret_key"]
    identity = {"name": "gridpress", "credentials": [{"accessKey": access, "secretKey": secret}], "actions": _ACTIONS}
    derived: dict[str, Callable[[], str]] = {
        "redis_url": lambda: f"redis://:{password}@valkey:6379/0",
        "valkey.conf": lambda: f"requirepass {password}\n",
        "s3.json": lambda: json.dumps({"identities": [identity]}),
    }
    for name, make in derived.items():
        _read_or_create(folder / name, make)


def check_volume(folder: Path) -> None:
    """Raises `Refused` if the container's user can't write to the folder."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise Refused(f"{folder} can't be written ({error.strerror}): {_owner_and_remedy(folder)}") from error


def _signing_key() -> str:
    key = Ed25519PrivateKey.generate()
    return f"whsk_{base64.b64encode(key.private_bytes_raw() + key.public_key().public_bytes_raw()).decode()}"


_MAKERS: Mapping[str, Callable[[], str]] = {
    "api_key": lambda: new_key()[1],
    "webhook_secret": new_secret,
    "webhook_signing_key": _signing_key,
    "sealing_key": new_sealing_key,
    "valkey_password": lambda: secrets.token_hex(32),
    "s3_access_key": lambda: secrets.token_hex(16),
    "s3_secret_key": lambda: secrets.token_hex(32),
}


def _check(made: Mapping[str, str]) -> None:
    if fault := weakness(made["api_key"]):
        raise Refused(f"the secret api_key {fault}: `gridpress keys generate` prints one of the right form")
    if not is_webhook_secret(made["webhook_secret"]):
        raise Refused("the secret webhook_secret must be whsec_ and the base64 of 24 to 64 bytes")


def _read_or_create(path: Path, make: Callable[[], str]) -> str:
    try:
        if not path.exists():
            _write(path, make())
            print(f"made {path.name}")
        text = path.read_text().strip()
    except OSError as error:
        raise Refused(f"secret {path.name} ({error.strerror}): {_owner_and_remedy(path.parent)}") from error
    if not text:
        raise Refused(f"the secret {path.name} is empty: delete its file, and a new one is made")
    return text


def _write(path: Path, text: str) -> None:
    """Writes a secret file, which no other user can read at any time. Deletes a partial file of a killed run first."""
    draft = path.with_name(f".{path.name}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o400), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _owner_and_remedy(folder: Path) -> str:
    """Returns the owner and mode of a folder, and the command that makes it writable, as text for an error message."""
    found = folder.stat()
    return (
        f"it belongs to uid {found.st_uid} with mode {found.st_mode & 0o777:03o}, and the containers run as "
        f"uid {os.getuid()}; `chown -R {os.getuid()}:{os.getgid()}` its folder (docs/troubleshooting.md)"
    )


if __name__ == "__main__":
    try:
        make_secrets(Path(sys.argv[1]))
        for volume in sys.argv[2:]:
            check_volume(Path(volume))
    except Refused as error:
        sys.exit(f"gridpress prepare: {error}")
