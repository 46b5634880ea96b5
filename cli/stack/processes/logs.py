"""The log file of one role, limited in size, also when the file is removed or the disk is full."""

import os
import shutil
from io import FileIO
from pathlib import Path

_MAX_BYTES = 16 * 1024 * 1024  # and as much again in the one before it
_TAIL_BYTES = 64 * 1024


class RoleLog:
    """`DIR/run/<name>.log`, shared by all processes that the role ever had, and `<name>.log.1`, the part before it.

    The file stays open as long as its process lives, so reading and cutting it needs no path, descriptor or disk space.
    """

    def __init__(self, path: Path, max_bytes: int = _MAX_BYTES) -> None:
        """Opens the log for a new process and notes where its lines begin. Raises `OSError`."""
        self._path = path
        self._max_bytes = max_bytes
        self.file: FileIO = path.open("a+b", buffering=0)  # appending, so that it goes on at the head of a cut log
        self._start = self._size()

    def trim(self) -> str:
        """Moves a log that is too large to `<name>.log.1`; without disk space for that, its lines are dropped.

        Returns what is wrong with the log, or ''. A line written at that moment may be lost.
        """
        try:
            if self._size() > self._max_bytes:
                self._cut()
            is_there = os.fstat(self.file.fileno()).st_nlink > 0
        except OSError as error:
            return f"its log can't be cut: {error.strerror}"
        return "" if is_there else "its log was removed: what it says is lost until its next start"

    def last_lines(self, count: int) -> list[str]:
        """Returns the last lines of the current process, without those of earlier ones; none if the file can't
        be read.
        """
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
