"""Several processes that count as one: each keeps its values in files of its own, and one page sums them.

A process has a place. The one that replaces it gets the same place and counts on from there, so counters never fall and
the number of files is bounded. Gauges begin anew.
"""

import atexit
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import structlog
from prometheus_client import values
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

log = structlog.get_logger()

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # where prometheus_client looks for its folder
_PREFIX = f"gridpress-metrics-{os.getuid()}-"
_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder in it is made with a name that nobody can foresee
_GAUGES = ("gauge_livesum", "gauge_livemax")
# Given to the files beforehand: a write into a mapping for which the system lacks memory kills the process.
_BYTES = {"counter": 512 * 1024, "histogram": 1024 * 1024, **dict.fromkeys(_GAUGES, 64 * 1024)}
_PARENT = "parent"


class _State:
    """This process's place and folder. A fork inherits them."""

    place = _PARENT
    folder: Path | None = None
    is_allotted = False


def count_together() -> None:
    """Makes all metrics of this process and of its forks count as one. Must run before any metric is declared.

    Where no folder can be had, each process counts for itself, and there is no page.
    """
    folder = _new_folder()
    if folder is None:
        return
    _State.folder = folder
    os.environ[_VARIABLE] = str(folder)
    values.ValueClass = values.MultiProcessValue(lambda: _State.place)  # type: ignore[no-untyped-call]
    atexit.register(_remove, folder, os.getpid())


def allot(num_places: int) -> bool:
    """Makes the files of all places. Returns False when they can't be had; then there is nothing to serve."""
    if _State.folder is None:
        return False
    try:
        for place in range(num_places):
            _make_files(_State.folder, str(place))
    except OSError as error:
        log.error("metrics.no_room", folder=str(_State.folder), error=str(error))  # noqa: TRY400 - it says everything
        return False
    _State.is_allotted = True
    return True


def prepare(place: int) -> None:
    """Readies a place for the next process, before its fork. The one before it has ended."""
    leave(place)
    if _State.folder and _State.is_allotted:
        for kind in _BYTES:
            _heal(_file(_State.folder, kind, str(place)))


def take(place: int) -> None:
    """Gives this process its place, right after the fork."""
    if _State.is_allotted:
        _State.place = str(place)


def leave(place: int) -> None:
    """Clears the gauges of a process that has ended."""
    if _State.folder and _State.is_allotted:
        for kind in _GAUGES:
            _empty(_file(_State.folder, kind, str(place)))


def collected() -> list[Metric]:
    """Returns the sums over all processes; of counters and histograms also what dead ones had counted."""
    return list(MultiProcessCollector(None, str(_State.folder)).collect())  # type: ignore[no-untyped-call]


def _new_folder() -> Path | None:
    for parent in _parents():
        with suppress(OSError):
            _remove_stale(parent)
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            try:
                _hold(folder)
                _make_files(folder, _PARENT)
            except OSError:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            return folder
    return None


def _parents() -> Iterator[Path]:
    """Yields where a folder may be made: in memory; else where temporary files are, if they can be anywhere."""
    yield _MEMORY
    with suppress(OSError):
        yield Path(tempfile.gettempdir())


def _hold(folder: Path) -> None:
    """Locks the folder for as long as this process or a fork of it lives. Named once it is locked, so that nobody takes
    a new folder for a stale one.
    """
    lock = os.open(folder / "new", os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / "new").rename(folder / "lock")


def _remove_stale(parent: Path) -> None:
    """Removes the folders of services that were killed. Others on this machine may have made some of that name."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.lstat().st_uid == os.getuid():
                _remove_if_stale(folder)


def _remove_if_stale(folder: Path) -> None:
    """Raises `OSError` for the folder of a service that lives."""
    with (folder / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _make_files(folder: Path, place: str) -> None:
    for kind, num_bytes in _BYTES.items():
        with _file(folder, kind, place).open("ab") as file:
            if sys.platform == "linux":
                os.posix_fallocate(file.fileno(), 0, num_bytes)


def _file(folder: Path, kind: str, place: str) -> Path:
    return folder / f"{kind}_{place}.db"


def _heal(path: Path) -> None:
    """Empties a file that can't be read: its process was killed while it wrote a key."""
    try:
        _read(MmapedDict.read_all_values_from_file(path))  # type: ignore[no-untyped-call]
    except Exception:  # noqa: BLE001 - whatever is wrong with it, the next process must not fail on it
        log.warning("metrics.file_unreadable", file=path.name)
        _empty(path)


def _read(entries: Iterable[object]) -> None:
    for _ in entries:
        pass


def _empty(path: Path) -> None:
    """Fills the file with zeros in place, so that its memory stays reserved."""
    with suppress(OSError), path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
