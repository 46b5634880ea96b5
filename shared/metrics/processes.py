"""Lets several processes of a role share one set of metrics. Each process writes its values to files, and one metrics
page sums them.

Each process has a place, which is the number in the names of its files. If a process ends, the process that replaces it
gets the same place and continues the counters in its files. So counters never fall, and the number of files is limited.
Gauges start again.
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

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # names the folder in which prometheus_client stores values
_PREFIX = f"gridpress-metrics-{os.getuid()}-"
_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder in it gets an unpredictable name
_GAUGES = ("gauge_livesum", "gauge_livemax")
# Sizes allocated beforehand. If the system lacked memory for a write into a mapped file, it would kill the process.
_BYTES = {"counter": 512 * 1024, "histogram": 1024 * 1024, **dict.fromkeys(_GAUGES, 64 * 1024)}
_PARENT = "parent"


class _State:
    """The metrics folder of this process, and its place (the number in the names of its metrics files). A forked
    process inherits both.
    """

    place = _PARENT
    folder: Path | None = None
    is_allotted = False


def count_together() -> None:
    """Makes this process and its forks share one set of metrics. Must run before any metric is declared.

    If no folder can be created, each process counts for itself, and there is no metrics page.
    """
    folder = _new_folder()
    if folder is None:
        return
    _State.folder = folder
    os.environ[_VARIABLE] = str(folder)
    values.ValueClass = values.MultiProcessValue(lambda: _State.place)  # type: ignore[no-untyped-call]
    atexit.register(_remove, folder, os.getpid())


def allot(num_places: int) -> bool:
    """Creates the metrics files of all places. A place is the number in the names of one process's files.

    If that fails, returns False, and the role serves no metrics page.
    """
    if _State.folder is None:
        return False
    try:
        for place in range(num_places):
            _make_files(_State.folder, str(place))
    except OSError as error:
        log.error("metrics.no_room", folder=str(_State.folder), error=str(error))  # noqa: TRY400 - the text is enough
        return False
    _State.is_allotted = True
    return True


def prepare(place: int) -> None:
    """Prepares the metrics files of a place for the next process, before the fork. Call it only after the previous
    process of the place has ended.

    A place is the number in the names of one process's metrics files.
    """
    leave(place)
    if _State.folder and _State.is_allotted:
        for kind in _BYTES:
            _heal(_file(_State.folder, kind, str(place)))


def take(place: int) -> None:
    """Makes this process write its metrics to the files of a place. Call it right after the fork.

    A place is the number in the names of one process's metrics files.
    """
    if _State.is_allotted:
        _State.place = str(place)


def leave(place: int) -> None:
    """Clears the gauges in the metrics files of a process that has ended. The values of its counters and histograms
    stay.
    """
    if _State.folder and _State.is_allotted:
        for kind in _GAUGES:
            _empty(_file(_State.folder, kind, str(place)))


def collected() -> list[Metric]:
    """Returns the metrics of all processes that share them, summed. Counters and histograms include the values of
    processes that have ended.
    """
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
    """Yields the folders in which the metrics folder may be created: `/dev/shm`, which is in memory, then the folder
    for temporary files.
    """
    yield _MEMORY
    with suppress(OSError):
        yield Path(tempfile.gettempdir())


def _hold(folder: Path) -> None:
    """Locks the metrics folder for as long as this process or a fork of it lives. The lock shows other services that
    the folder is in use.

    The lock file gets its final name only after it is locked. Otherwise another service could find the new folder
    unlocked, and remove it as the folder of a killed service.
    """
    lock = os.open(folder / "new", os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / "new").rename(folder / "lock")


def _remove_stale(parent: Path) -> None:
    """Removes the metrics folders that killed services left in `parent`. Folders of other users stay."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.lstat().st_uid == os.getuid():
                _remove_if_stale(folder)


def _remove_if_stale(folder: Path) -> None:
    """Removes a metrics folder if the service that created it no longer runs.

    Raises `OSError` if that service still runs, because it then holds the folder's lock.
    """
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
    """Empties a metrics file that can't be read. A file becomes unreadable if its process is killed while the process
    adds a metric to the file.
    """
    try:
        _read(MmapedDict.read_all_values_from_file(path))  # type: ignore[no-untyped-call]
    except Exception:  # noqa: BLE001 - the next process must not fail on this file, whatever the error is
        log.warning("metrics.file_unreadable", file=path.name)
        _empty(path)


def _read(entries: Iterable[object]) -> None:
    for _ in entries:
        pass


def _empty(path: Path) -> None:
    """Overwrites the metrics file with zeros in place, so that the memory that was reserved for it stays reserved."""
    with suppress(OSError), path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
