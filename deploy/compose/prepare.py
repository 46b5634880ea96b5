"""Makes the secrets that are missing and checks the volumes. Runs before everything else; prints no secret.

`python prepare.py SECRETS_FOLDER VOLUME...`, in the worker image and as its user.
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
from shared.webhooks.secrets import is_webhook_secret, new_secret

_ACTIONS = ["Admin", "Read", "Write", "List", "Tagging"]


class Refused(Exception):
    """A folder or a secret is not as it has to be; the message says what to do."""


def make_secrets(folder: Path) -> None:
    """Writes each secret that has no file yet, and what Valkey and SeaweedFS read of them. Raises `Refused`."""
    made = {name: _kept(folder / name, make) for name, make in _MAKERS.items()}
    _check(made)
    password, access, secret = made["valkey_password"], made["s3_access_key"], made["s3_secret_key"]
    identity = {"name": "gridpress", "credentials": [{"accessKey": access, "secretKey": secret}], "actions": _ACTIONS}
    derived: dict[str, Callable[[], str]] = {
        "redis_url": lambda: f"redis://:{password}@valkey:6379/0",
        "valkey.conf": lambda: f"requirepass {password}\n",
        "s3.json": lambda: json.dumps({"identities": [identity]}),
    }
    for name, make in derived.items():
        _kept(folder / name, make)


def check_volume(folder: Path) -> None:
    """Raises `Refused` where the container's user can't write."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise Refused(f"{folder} can't be written ({error.strerror}): {_who(folder)}") from error


def _signing_key() -> str:
    key = Ed25519PrivateKey.generate()
    return f"whsk_{base64.b64encode(key.private_bytes_raw() + key.public_key().public_bytes_raw()).decode()}"


_MAKERS: Mapping[str, Callable[[], str]] = {
    "api_key": lambda: new_key()[1],
    "webhook_secret": new_secret,
    "webhook_signing_key": _signing_key,
    "valkey_password": lambda: secrets.token_hex(32),
    "s3_access_key": lambda: secrets.token_hex(16),
    "s3_secret_key": lambda: secrets.token_hex(32),
}


def _check(made: Mapping[str, str]) -> None:
    if fault := weakness(made["api_key"]):
        raise Refused(f"the secret api_key {fault}: `gridpress keys generate` prints one of the right form")
    if not is_webhook_secret(made["webhook_secret"]):
        raise Refused("the secret webhook_secret must be whsec_ and the base64 of 24 to 64 bytes")


def _kept(path: Path, make: Callable[[], str]) -> str:
    try:
        if not path.exists():
            _write(path, make())
            print(f"made {path.name}")
        text = path.read_text().strip()
    except OSError as error:
        raise Refused(f"secret {path.name} ({error.strerror}): {_who(path.parent)}") from error
    if not text:
        raise Refused(f"the secret {path.name} is empty: delete its file, and a new one is made")
    return text


def _write(path: Path, text: str) -> None:
    """Nobody else can read the file at any time. What an earlier run that was killed has left is thrown away."""
    draft = path.with_name(f".{path.name}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o400), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _who(folder: Path) -> str:
    """Returns whose folder it is, and the remedy."""
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
