"""Explains why a process ended, from its exit status and its last log lines."""

from collections.abc import Sequence
from signal import Signals

# `EXIT_DEVICE_LOST`, `EXIT_MISCONFIGURED` and `EXIT_THREAD_LOST` of the roles. Written here, because the supervisor
# imports neither Celery nor what a role imports.
DEVICE_LOST = 75
MISCONFIGURED = 78
THREAD_LOST = 70

# What Valkey and SeaweedFS log, in the kernel's words, and what to do about it.
_SAID = {
    # The first write that does not fit whole; the kernel's word comes with the next one.
    "Short write while writing to the AOF file": "the disk is full: free some space where the data folder lies",
    "No space left on device": "the disk is full: free some space where the data folder lies",
    "Disk quota exceeded": "the disk quota is used up: free some space where the data folder lies",
    "File too large": "a file reached its size limit: raise the limit (ulimit -f)",
    "Address already in use": "its port was taken by another process",
    "Cannot allocate memory": "the machine has no memory left",
}


def status_words(status: int) -> str:
    """Describes an exit status; a negative one is the signal that ended the process."""
    if status == DEVICE_LOST:
        return "its device hung or broke down"
    if status == THREAD_LOST:
        return "one of its threads ended"
    return f"killed by {Signals(-status).name}" if status < 0 else f"exit status {status}"


def is_misconfigured(status: int) -> bool:
    """Returns whether one of our processes can never start: its settings, checkpoint or installation are wrong."""
    return status == MISCONFIGURED


def known_cause(last_lines: Sequence[str]) -> str | None:
    """Returns the meaning of the newest log line that we know; None when we know none."""
    found = (meaning for line in reversed(last_lines) for said, meaning in _SAID.items() if said in line)
    return next(found, None)
