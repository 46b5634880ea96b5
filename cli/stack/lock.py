"""Allows only one service per data folder, with file locks. The kernel releases a lock when its process dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from shared.errors import Misconfigured


@contextmanager
def folder_lock(data_dir: Path) -> Iterator[None]:
    """Locks the data folder against other processes until the `with` block ends. Creates the folder if it is missing.

    Locks the file `run/lock`, and writes the pid of this process to it. Also locks the folder itself, in case that file
    is removed. Raises `Misconfigured` when the folder can't be created, or when another process has a lock. The message
    then names the pid of that process if it is known.
    """
    with _opened(data_dir) as file, _opened_folder(data_dir) as folder:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _lock_folder(folder)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip()
            raise Misconfigured(
                f"{data_dir} is served already, by {f'process {holder}' if holder else 'another process'}"
            ) from error
        with suppress(OSError):  # on a full disk, the lock works without the pid
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


@contextmanager
def _opened_folder(data_dir: Path) -> Iterator[int]:
    descriptor = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock_folder(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # NFS can't lock folders, so only the file is locked
        return
