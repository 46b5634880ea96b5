"""A fair lock with which several processes share a device. If a process dies, the kernel releases its lock."""

import fcntl
import os
import struct
import time
import weakref
from pathlib import Path

from shared.errors import Misconfigured
from workers.engine.device_turns import BULK_RANK, Demand

# A demand: rank, seconds of work, and the monotonic time at which it was written (one clock for all processes).
_RECORD = struct.Struct("<qdd")
# A waiting process writes its demand 100 times a second. After 5 s without that it hangs, or runs an older version.
_STALE_S = 5.0
_PATIENCE_S = 2.0  # how long the next process in line may leave a free device unused
_URGENT = Demand(0, float("inf"))


class DeviceLock:
    """A fair lock on a device, made of two lock files. The process that has locked the first file has the device. The
    process that has locked the second file is next in line.

    A process that wants the device first becomes next in line, and remains so until it has the device. So a process
    that releases the device and wants it again at once comes after the process that waited (the doorway of a ticket
    lock). No method blocks.

    The second file also contains the demand of the process next in line: its most urgent class and its remaining work.
    If the process next in line hangs, other processes can pass it.
    """

    def __init__(self, folder: Path, device: str, *, patience_s: float = _PATIENCE_S) -> None:
        """Opens the lock files in `folder`. `device` is a name of the device that is the same in all processes.

        Raises `Misconfigured` if the lock files can't be written.
        """
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

    def try_acquire(self, want: Demand = _URGENT) -> bool:
        """Tries to get the device, without waiting. Returns whether this process has the device now.

        If another process has the device, this process becomes next in line, unless a third process already is. It
        stays next in line until `give_up` or until it gets the device. The process that has the device can read the
        demand `want`.
        """
        if self.is_held:
            return True
        self._is_next = self._is_next or _try_lock(self._place)
        if self._is_next:
            os.pwrite(self._place, _RECORD.pack(want.rank, want.left_s, time.monotonic()), 0)
        self.is_held = _try_lock(self._device) if self._is_next else self._is_left_free()
        if self.is_held:
            self._free_since_s = None
            self._leave_line()
        return self.is_held

    def next_demand(self) -> Demand | None:
        """Returns the demand of the process that is next in line (its most urgent class and its remaining work), or
        None if no process waits. Only the process that has the device may call this.

        A waiting process that has not updated its demand for 5 s may hang. Its demand then counts as class `batch`, the
        least urgent one. So it still gets turns, but costs other processes little time.
        """
        assert self.is_held
        if _try_lock(self._place):
            fcntl.flock(self._place, fcntl.LOCK_UN)
            return None
        record = os.pread(self._place, _RECORD.size, 0)
        if len(record) < _RECORD.size:
            return Demand(BULK_RANK, 0.0)
        rank, left_s, at_s = _RECORD.unpack(record)
        is_fresh = 0 <= time.monotonic() - at_s < _STALE_S
        return Demand(rank, left_s) if is_fresh else Demand(BULK_RANK, 0.0)

    def give_up(self) -> None:
        """Releases the device if this process has it. If this process is next in line, it leaves the line."""
        self._leave_line()
        if self.is_held:
            self.is_held = False
            fcntl.flock(self._device, fcntl.LOCK_UN)

    def _is_left_free(self) -> bool:
        """Returns whether this process has the device now. Takes the device if it has been free for 2 s, because then
        the process next in line must hang.
        """
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
