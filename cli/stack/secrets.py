"""Creates the random secrets of a data folder on first use. Only the owner can read their files (mode 0600)."""

import os
import secrets
import tempfile
from pathlib import Path

FOLDER = "secrets"


def secret(data_dir: Path, name: str) -> str:
    """Returns the secret called `name` of the data folder: 64 hex digits. Creates the secret on first use."""
    path = data_dir / FOLDER / name
    if not path.exists():
        write_private(path, secrets.token_hex(32))
    return path.read_text()


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read. After a crash, the file has either the old or the new content."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # with mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        Path(draft).replace(path)
    except OSError as error:
        Path(draft).unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error  # a full disk's error names no file
