"""One device, several processes: a lock that goes round fairly and that the kernel takes back from the dead."""

import fcntl
import os
import weakref
from pathlib import Path

from shared.errors import Misconfigured


class DeviceLock:
    """Two files: who holds the first has the device, who holds the second is next in line.

    Whoever wants the device takes the place in line first, and gives that up only with the device in hand, so a holder
    that comes back at once stands behind whoever waited (the doorway of a ticket lock). Nothing here ever blocks.
    """

    def __init__(self, folder: Path, device: str) -> None:
        """`device` names it the same way in every process. Raises `Misconfigured` where no file can be written."""
        name = "".join(letter if letter.isalnum() else "-" for letter in device)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._device = self._open(folder / f"device-{name}.lock")
            self._place = self._open(folder / f"device-{name}.next")
        except OSError as error:
            raise Misconfigured(f"can't share a device through {folder}: {error.strerror}") from error
        self.is_held = False
        self._is_next = False

    def try_acquire(self) -> bool:
        """Whether the device is ours now. When it is not, our place in line is kept until `give_up`."""
        if self.is_held:
            return True
        self._is_next = self._is_next or _try_lock(self._place)
        if self._is_next and _try_lock(self._device):
            self.is_held = True
            self._leave_line()
        return self.is_held

    def is_wanted(self) -> bool:
        """Whether somebody else stands in line. Only the device's holder may ask."""
        assert self.is_held
        if not _try_lock(self._place):
            return True
        fcntl.flock(self._place, fcntl.LOCK_UN)
        return False

    def give_up(self) -> None:
        """Neither holds the device nor waits for it any more."""
        self._leave_line()
        if self.is_held:
            self.is_held = False
            fcntl.flock(self._device, fcntl.LOCK_UN)

    def _open(self, path: Path) -> int:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        weakref.finalize(self, os.close, descriptor)
        return descriptor

    def _leave_line(self) -> None:
        if self._is_next:
            self._is_next = False
            fcntl.flock(self._place, fcntl.LOCK_UN)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
