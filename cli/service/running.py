"""Finds the service that runs with a data folder, and its processes. Changes nothing."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_ADDRESS = "address"  # a file in the folder `run`
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class RunningProcess:
    """A process of `gridpress up`. `worker_id` is empty for a process that claims no renders.

    `memory_bytes` is its resident memory, or None if the system does not tell.
    """

    name: str
    pid: int
    is_ready: bool
    started_at: datetime
    memory_bytes: int | None
    worker_id: str = ""


def supervisor_pid(data_dir: Path) -> int | None:
    """Returns the pid of the `gridpress up` that serves the data folder now, or None if there is none.

    Decides by the lock of the folder, so an old pid is never taken for a running service.
    """
    try:
        with (data_dir / "run" / "lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read())
    except (OSError, ValueError):
        return None
    return None


def write_address(run_dir: Path, url: str) -> None:
    """Notes the address of the API for `running_url`. Does nothing on a full disk."""
    with suppress(OSError):
        (run_dir / _ADDRESS).write_text(f"{url}\n")


def running_url(data_dir: Path) -> str | None:
    """Returns the address of the API that runs with this data folder, or None if no service runs."""
    if supervisor_pid(data_dir) is None:
        return None
    try:
        return (data_dir / "run" / _ADDRESS).read_text().strip() or None
    except (OSError, ValueError):
        return None


def processes(data_dir: Path) -> Iterator[RunningProcess]:
    """Yields the processes of `gridpress up` that run now, in order of their names."""
    for path in sorted((data_dir / "run").glob("*-*.pid")):
        with suppress(OSError, ValueError):  # the process has just ended
            pid = int(path.read_text())
            os.kill(pid, 0)
            started_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            ready_file = path.with_suffix(".ready")
            is_ready = ready_file.exists() or path.stem.startswith(("valkey-", "seaweedfs-"))
            worker_id = ready_file.read_text().strip() if ready_file.exists() else ""
            yield RunningProcess(path.stem, pid, is_ready, started_at, _memory_bytes(pid), worker_id)


def _memory_bytes(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):  # not Linux
        return None
