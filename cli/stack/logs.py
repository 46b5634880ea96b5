"""The log of one role: what its process writes, kept within a bound."""

import shutil
from pathlib import Path
from typing import BinaryIO

_MAX_BYTES = 16 * 1024 * 1024  # and as much again in the one before it
_TAIL_BYTES = 64 * 1024


class RoleLog:
    """`DIR/run/<name>.log`, shared by all processes that the role ever had, and `<name>.log.1` before it."""

    def __init__(self, path: Path, max_bytes: int = _MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._start = 0

    def open(self) -> BinaryIO:
        """For a new process, whose lines begin here. Appending, so that it goes on at the head of a cut log."""
        file = self._path.open("ab")
        self._start = file.tell()
        return file

    def trim(self) -> None:
        """Moves a log that has grown too large aside. A line of that very moment may be lost."""
        if self._path.stat().st_size <= self._max_bytes:
            return
        shutil.copyfile(self._path, self._path.with_suffix(".log.1"))
        with self._path.open("r+b") as file:
            file.truncate(0)
        self._start = 0

    def last_lines(self, count: int) -> list[str]:
        """The end of what the present process wrote, without what earlier ones left."""
        with self._path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(self._start, size - _TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()[-count:]
