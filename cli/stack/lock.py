"""One service per data folder: a lock that the kernel takes back when its holder dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import Misconfigured


@contextmanager
def folder_lock(data_dir: Path) -> Iterator[None]:
    """Holds `DIR/run/lock`. Raises `Misconfigured`, naming the holder's pid, while another process does."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data_dir / "run" / "lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise Misconfigured(f"{data_dir} is served already, by process {file.read().strip()}") from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
