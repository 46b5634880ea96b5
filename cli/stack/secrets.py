"""Random secrets of one data folder, made on first use and kept. Files are for their owner's eyes only (0600)."""

import os
import secrets
import tempfile
from pathlib import Path

FOLDER = "secrets"


def secret(data_dir: Path, name: str) -> str:
    """The secret called `name`: 64 hex digits, the same at every start."""
    path = data_dir / FOLDER / name
    if not path.exists():
        write_private(path, secrets.token_hex(32))
    return path.read_text()


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read; a crash leaves the old one or the new one, never half of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        Path(draft).replace(path)
    except OSError as error:
        Path(draft).unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error  # a full disk's own error names no file
