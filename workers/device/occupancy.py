"""Lets a DiT worker stand alone on its GPU, or beside others that each have a part of its memory.

Each worker measures the free memory of its GPU once. Two workers without parts would both count on the same memory.
"""

import fcntl
import os
import weakref
from pathlib import Path

from shared.errors import Misconfigured


class Occupancy:
    """A lock that this process holds as long as the object lives, and at most until the process ends.

    Workers that have a part of the memory share the lock. A worker that counts on all of it has the lock alone.
    """

    def __init__(self, folder: Path, device: str, *, has_part: bool) -> None:
        """Takes the lock of a GPU, without waiting. `device` is a name of the GPU that is the same in all processes.

        Raises `Misconfigured` if another worker of this data folder is on the GPU, and one of them has no part.
        """
        name = "".join(letter if letter.isalnum() else "-" for letter in device)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / f"dit-{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Misconfigured(f"the lock of a GPU can't be written in {folder}: {error.strerror}") from error
        weakref.finalize(self, os.close, descriptor)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if has_part else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Misconfigured(
                "another DiT worker is on this GPU, and both would count on all its free memory: set "
                "GRIDPRESS_DIT_MEMORY_BYTES, the part of each, for every DiT worker of the GPU, or GRIDPRESS_DEVICE"
            ) from error
