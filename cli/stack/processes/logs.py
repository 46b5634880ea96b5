"""Limits the size of the log file of one role, even if the file is removed or the disk is full."""

import os
import shutil
from io import FileIO
from pathlib import Path

_MAX_BYTES = 16 * 1024 * 1024  # of the log, and also of the older part, `.log.1`
_TAIL_BYTES = 64 * 1024


class RoleLog:
    """The log file of one role, `<name>.log`. All processes of the role append to it, one after another.

    `<name>.log.1` has the older part of the log. The file stays open while a process runs, so reading and truncating it
    needs no path, file descriptor or disk space.
    """

    def __init__(self, path: Path, max_bytes: int = _MAX_BYTES) -> None:
        """Opens the log for a new process of the role, and remembers where the lines of that process begin.

        Raises `OSError`.
        """
        self._path = path
        self._max_bytes = max_bytes
        # In append mode, writes after a truncation begin at the start of the file.
        self.file: FileIO = path.open("a+b", buffering=0)
        self._start = self._size()

    def trim(self) -> str:
        """Moves the lines of a log that is too large to `<name>.log.1`. Drops them if the disk has no space for that.

        Returns the description of a problem with the log, or ''. A line that the process writes during the move may be
        lost.
        """
        try:
            if self._size() > self._max_bytes:
                self._truncate()
            is_there = os.fstat(self.file.fileno()).st_nlink > 0
        except OSError as error:
            return f"its log can't be truncated: {error.strerror}"
        return "" if is_there else "its log was removed: its output is lost until its next start"

    def last_lines(self, count: int) -> list[str]:
        """Returns the last log lines of the current process, without those of earlier processes.

        Returns no lines if the file can't be read.
        """
        try:
            begin = max(self._start, self._size() - _TAIL_BYTES)
            text = os.pread(self.file.fileno(), _TAIL_BYTES, begin)
        except (OSError, ValueError):  # ValueError: the file is closed
            return []
        return text.decode(errors="replace").splitlines()[-count:]

    def close(self) -> None:
        self.file.close()

    def _size(self) -> int:
        return os.fstat(self.file.fileno()).st_size

    def _truncate(self) -> None:
        older = self._path.with_suffix(".log.1")
        try:
            self.file.seek(0)
            with older.open("wb") as file:
                shutil.copyfileobj(self.file, file)
        except OSError:  # a partial copy would take up the space that is missing
            _remove(older)
        os.ftruncate(self.file.fileno(), 0)
        self._start = 0


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
