"""One device, several processes: a lock that goes round fairly and that the kernel takes back from the dead."""

import fcntl
import os
import struct
import time
import weakref
from pathlib import Path

from shared.errors import Misconfigured
from workers.device.turns import BULK_RANK, Want

_SAID = struct.Struct("<qdd")  # rank, seconds in hand, monotonic time: the same clock in every process of the machine
_STALE_S = (
    5.0  # who waits says so a hundred times a second; one that has not for so long hangs, or is of an older version
)
_PATIENCE_S = 2.0  # for the next in line to take a device that is free
_URGENT = Want(0, float("inf"))


class DeviceLock:
    """Two files: who holds the first has the device, who holds the second is next in line.

    Whoever wants the device takes the place in line first, and gives that up only with the device in hand, so a holder
    that comes back at once stands behind whoever waited (the doorway of a ticket lock). Nothing here ever blocks.
    The second file also says what the next in line has in hand. One that hangs there is passed by.
    """

    def __init__(self, folder: Path, device: str, *, patience_s: float = _PATIENCE_S) -> None:
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
        self._patience_s = patience_s
        self._free_since_s: float | None = None

    def try_acquire(self, want: Want = _URGENT) -> bool:
        """Whether the device is ours now. When it is not, our place in line is kept until `give_up`, and whoever holds
        the device hears what we `want`.
        """
        if self.is_held:
            return True
        self._is_next = self._is_next or _try_lock(self._place)
        if self._is_next:
            os.pwrite(self._place, _SAID.pack(want.rank, want.left_s, time.monotonic()), 0)
        self.is_held = _try_lock(self._device) if self._is_next else self._is_left_free()
        if self.is_held:
            self._free_since_s = None
            self._leave_line()
        return self.is_held

    def wanted(self) -> Want | None:
        """What the next in line has in hand; None when nobody waits. Only the device's holder may ask.

        One that does not say counts as bulk: it gets its turns, and if it hangs they cost little.
        """
        assert self.is_held
        if _try_lock(self._place):
            fcntl.flock(self._place, fcntl.LOCK_UN)
            return None
        said = os.pread(self._place, _SAID.size, 0)
        if len(said) < _SAID.size:
            return Want(BULK_RANK, 0.0)
        rank, left_s, at_s = _SAID.unpack(said)
        is_fresh = 0 <= time.monotonic() - at_s < _STALE_S
        return Want(rank, left_s) if is_fresh else Want(BULK_RANK, 0.0)

    def give_up(self) -> None:
        """Neither holds the device nor waits for it any more."""
        self._leave_line()
        if self.is_held:
            self.is_held = False
            fcntl.flock(self._device, fcntl.LOCK_UN)

    def _is_left_free(self) -> bool:
        """Takes the device that the next in line leaves free for longer than our patience: that process hangs."""
        if not _try_lock(self._device):
            self._free_since_s = None
            return False
        now_s = time.monotonic()
        if self._free_since_s is None:
            self._free_since_s = now_s
        if now_s - self._free_since_s >= self._patience_s:
            return True
        fcntl.flock(self._device, fcntl.LOCK_UN)
        return False

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
