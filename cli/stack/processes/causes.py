"""Explains why a process ended, from its exit status and its last log lines."""

from collections.abc import Sequence
from signal import Signals

# Exit statuses: copies of the roles' `EXIT_DEVICE_LOST`, `EXIT_MISCONFIGURED` and `EXIT_THREAD_LOST`. They are copied
# because the supervisor imports neither Celery nor the modules of a role.
DEVICE_LOST = 75
MISCONFIGURED = 78
THREAD_LOST = 70

# Error texts in the logs of Valkey and SeaweedFS, most of them from the kernel, with cause and remedy.
_KNOWN_ERRORS = {
    # Valkey logs this for the first write that fits only in part. The kernel's error comes with the next write.
    "Short write while writing to the AOF file": "the disk is full: free some space where the data folder lies",
    "No space left on device": "the disk is full: free some space where the data folder lies",
    "Disk quota exceeded": "the disk quota is used up: free some space where the data folder lies",
    "File too large": "a file reached its size limit: raise the limit (ulimit -f)",
    "Address already in use": "its port was taken by another process",
    "Cannot allocate memory": "the machine has no memory left",
}


def status_words(status: int) -> str:
    """Describes the exit status of a process in words. A negative status is the signal that ended the process."""
    if status == DEVICE_LOST:
        return "its device hung or broke down"
    if status == THREAD_LOST:
        return "one of its threads ended"
    return f"killed by {Signals(-status).name}" if status < 0 else f"exit status {status}"


def is_misconfigured(status: int) -> bool:
    """Returns whether a role reported with its exit status that it can never start.

    This means that the role's settings, checkpoint or installation are wrong.
    """
    return status == MISCONFIGURED


def known_cause(last_lines: Sequence[str]) -> str | None:
    """Returns the cause and remedy of the newest known error in a process's log lines, or None if there is none."""
    found = (meaning for line in reversed(last_lines) for text, meaning in _KNOWN_ERRORS.items() if text in line)
    return next(found, None)
