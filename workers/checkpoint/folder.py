"""Writes a checkpoint folder atomically, so that no reader finds a half-written folder. Needs no model code."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import Misconfigured

MARKER = "model_index.json"


@contextmanager
def whole_folder(directory: Path) -> Iterator[Path]:
    """Yields an empty folder for a new checkpoint, and renames it to `directory` at the end of the `with` statement.

    The empty folder is beside `directory`; after an error it is deleted. An older checkpoint at `directory` is
    replaced. Raises `Misconfigured` when `directory` exists and is neither empty nor a checkpoint.
    """
    directory = directory.absolute()
    _refuse_foreign(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as scratch:
        building = Path(scratch) / "new"
        building.mkdir()
        yield building
        if directory.exists():
            directory.rename(Path(scratch) / "old")  # is deleted with the scratch folder
        building.rename(directory)


def _refuse_foreign(directory: Path) -> None:
    if directory.exists() and not directory.is_dir():
        raise Misconfigured(f"{directory} is a file, not a folder for a checkpoint")
    if directory.is_dir() and any(directory.iterdir()) and not (directory / MARKER).is_file():
        raise Misconfigured(f"{directory} is not empty and holds no checkpoint: choose another folder")
