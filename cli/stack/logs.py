"""The log of one role: what its process writes, kept within a bound, whatever becomes of its file or of the disk."""

import os
import shutil
from io import FileIO
from pathlib import Path

_MAX_BYTES = 16 * 1024 * 1024  # and as much again in the one before it
_TAIL_BYTES = 64 * 1024


class RoleLog:
    """`DIR/run/<name>.log`, shared by all processes that the role ever had, and `<name>.log.1` before it.

    The file stays open as long as its process lives: reading and cutting it needs no path, no descriptor and no space.
    """

    def __init__(self, path: Path, max_bytes: int = _MAX_BYTES) -> None:
        """For a new process, whose lines begin here. Raises `OSError`."""
        self._path = path
        self._max_bytes = max_bytes
        self.file: FileIO = path.open("a+b", buffering=0)  # appending, so that it goes on at the head of a cut log
        self._start = self._size()

    def trim(self) -> str:
        """Moves a log that has grown too large aside; where there is no room for that, its lines are dropped.

        Returns what is wrong with the log, '' when nothing is. A line of that very moment may be lost.
        """
        try:
            if self._size() > self._max_bytes:
                self._cut()
            is_there = os.fstat(self.file.fileno()).st_nlink > 0
        except OSError as error:
            return f"its log can't be cut: {error.strerror}"
        return "" if is_there else "its log was removed: what it says is lost until its next start"

    def last_lines(self, count: int) -> list[str]:
        """The end of what the present process wrote, without what earlier ones left; nothing where it can't be read."""
        try:
            begin = max(self._start, self._size() - _TAIL_BYTES)
            text = os.pread(self.file.fileno(), _TAIL_BYTES, begin)
        except (OSError, ValueError):  # ValueError: it is closed
            return []
        return text.decode(errors="replace").splitlines()[-count:]

    def close(self) -> None:
        self.file.close()

    def _size(self) -> int:
        return os.fstat(self.file.fileno()).st_size

    def _cut(self) -> None:
        kept = self._path.with_suffix(".log.1")
        try:
            self.file.seek(0)
            with kept.open("wb") as file:
                shutil.copyfileobj(self.file, file)
        except OSError:  # half a copy would take the room that is missing
            _remove(kept)
        os.ftruncate(self.file.fileno(), 0)
        self._start = 0


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
