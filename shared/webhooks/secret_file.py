"""Creates secrets once and stores them in the data folder."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def load_or_create(path: Path, make: Callable[[], str]) -> str:
    """Returns the secret in a file that only its owner can read. Creates the file with a new secret if the file does
    not exist.

    If several processes create the file at the same time, all of them return the secret of the first one.
    """
    if path.exists():
        return path.read_text().strip()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(make())
    try:
        os.link(draft, path)  # atomic, and fails if the file exists
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()
