"""Allows one service per data folder, by a lock that the kernel releases when its holder dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from shared.errors import Misconfigured


@contextmanager
def folder_lock(data_dir: Path) -> Iterator[None]:
    """Holds `DIR/run/lock`. Raises `Misconfigured`, naming the holder's pid, while another process does.

    Makes the folder when it is missing. Raises `Misconfigured` when that cannot be done.
    """
    with _opened(data_dir) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise Misconfigured(f"{data_dir} is served already, by process {file.read().strip()}") from error
        with suppress(OSError):  # on a full disk the lock holds all the same, and says no pid
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), f"{os.getpid()}\n".encode())
        yield


def _opened(data_dir: Path) -> TextIO:
    path = data_dir / "run" / "lock"
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(exist_ok=True)
        return path.open("a+")
    except OSError as error:
        raise Misconfigured(f"can't write to {data_dir} ({error.strerror}): name another folder with --data") from error
