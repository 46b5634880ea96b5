"""Checks the append-only log of the embedded Valkey before each start, and repairs the log on request.

Copies data before it is dropped from the log, if the disk has space for the copy.
"""

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from shared.errors import Misconfigured

_LINE = re.compile(r"^file (\S+) seq (\d+) type ([bih])$", re.MULTILINE)
_NAME = re.compile(r"^appendonly\.aof\.(\d+)\.(base|incr)\.(?:rdb|aof)$")
_SOUND_UP_TO = re.compile(r"ok_up_to=(\d+)")
_MANIFEST = "appendonly.aof.manifest"
_MOST_KEPT = 5  # copies
# Time limit: the checker reads some hundred MB a second. A disk with less than 5 MB a second is about to fail.
_CHECK_S, _BYTES_PER_S = 30.0, 5_000_000
_WHAT_TO_DO = "nothing was changed: run `gridpress repair`, which keeps the old files"


@dataclass(frozen=True, slots=True)
class _End:
    """Describes the end of a log file. Only the first `sound_bytes` of its `num_bytes` bytes are complete commands.

    `is_refused` means that Valkey refuses to start because of the bytes after these commands.
    """

    sound_bytes: int
    num_bytes: int
    is_refused: bool

    @property
    def torn_bytes(self) -> int:
        return self.num_bytes - self.sound_bytes


class AppendLog:
    """Checks and repairs the append-only log of the Valkey whose data is in `folder`.

    `checker` is the path of Valkey's program file. Under the name `valkey-check-aof`, this program checks a log.
    """

    def __init__(self, folder: Path, checker: Path, *, is_expected: Callable[[], bool] = lambda: False) -> None:
        """Creates the object that checks and repairs the append-only log in `folder`.

        `is_expected` returns whether Valkey ever wrote data. If it did, a missing log is an error.
        """
        self._folder = folder
        self._logs = folder / "appendonlydir"
        self._may_be_empty = folder / "may_be_empty"  # this file exists while the log is known to be empty
        self._checker = checker
        self._is_expected = is_expected

    def check(self) -> str | None:
        """Checks the log before Valkey starts. Returns a message if Valkey will drop data at its end, otherwise None.

        Copies that data first if the disk has space. Raises `Misconfigured` when Valkey would refuse to start, or would
        start without data that it had.
        """
        try:
            return self._check()
        except PermissionError as error:
            raise Misconfigured(f"the job store's log can't be read: {error}") from error

    def repair(self) -> list[str]:
        """Copies a damaged append-only log and then repairs it, so that Valkey can start.

        Returns messages about what was done, and no messages for an intact log.
        """
        if self._is_sound():
            return []
        kept = self._keep(self._logs) if self._logs.exists() else None
        said = [] if kept is None else [f"the log as it was is kept in {kept}"]
        return said + self._rebuild()

    def start_anew(self) -> str:
        """Copies an append-only log that can't be repaired, and replaces it by an empty log. Returns a message."""
        kept = self._keep(self._logs)
        self._start_empty()
        return f"the log could not be read at all: it is kept in {kept}, and the store starts empty"

    def _check(self) -> str | None:
        files = self._files()
        if not files:
            if self._is_expected() and not self._may_be_empty.exists():
                raise Misconfigured(f"the job store's log is gone from {self._logs}: {_WHAT_TO_DO}")
            return None
        self._may_be_empty.unlink(missing_ok=True)
        named = self._manifest_files()
        if not named:
            raise Misconfigured(f"the job store's log has lost its {_MANIFEST}: {_WHAT_TO_DO}")
        missing = [name for name, _ in named if name not in files]
        if missing:
            raise Misconfigured(f"the job store's log has lost {', '.join(missing)}: {_WHAT_TO_DO}")
        return self._check_ends([name for name, kind in named if kind == "i"])

    def _check_ends(self, names: list[str]) -> str | None:
        """Checks the end of each log file. Returns a message if Valkey will drop an incomplete command, otherwise None.

        Only the last file may end in the middle of a command. Valkey drops this command, which it never acknowledged.
        Raises `Misconfigured` for any other damage.
        """
        for name in names:
            end = self._end_of(name)
            if not end.torn_bytes:
                continue
            if end.is_refused or name != names[-1]:
                where = f"{name} is damaged from byte {end.sound_bytes} of {end.num_bytes} on"
                raise Misconfigured(f"the job store's log can't be read, {where}: {_WHAT_TO_DO}")
            return (
                f"the job store's log ends within a write: its last {end.torn_bytes} bytes are dropped, "
                f"{self._keep_if_there_is_room(self._logs / name)}"
            )
        return None

    def _is_sound(self) -> bool:
        try:
            return self._check() is None
        except Misconfigured:
            return False

    def _rebuild(self) -> list[str]:
        said: list[str] = []
        files, named = self._files(), self._manifest_files()
        if not named:
            named = _in_order(files)
            said += [f"{_MANIFEST} was rebuilt from {len(named)} files"] if named else []
        sound: list[tuple[str, str]] = []
        for name, kind in named:
            if name not in files:
                said.append(f"{name} is missing, so all data from it on is dropped")
                break
            sound.append((name, kind))
            end = self._end_of(name) if kind == "i" else None
            if end and end.torn_bytes:
                os.truncate(self._logs / name, end.sound_bytes)
                said.append(f"{name} was truncated at byte {end.sound_bytes}: {end.torn_bytes} bytes were dropped")
                break
        for name in files - {name for name, _ in sound}:
            (self._logs / name).unlink()
        if sound:
            self._write(sound)
            return said
        self._start_empty()
        return [*said, "no readable data is left: the store starts empty"]

    def _start_empty(self) -> None:
        shutil.rmtree(self._logs, ignore_errors=True)
        self._may_be_empty.touch()

    def _files(self) -> set[str]:
        if not self._logs.is_dir():
            return set()
        return {path.name for path in self._logs.iterdir() if _NAME.match(path.name)}

    def _manifest_files(self) -> list[tuple[str, str]]:
        """Returns the names and kinds of the log files in the manifest, in the order in which Valkey reads them.

        The base file (a snapshot) comes first, then the increments (the commands after the snapshot).
        """
        try:
            text = (self._logs / _MANIFEST).read_text()
        except (FileNotFoundError, UnicodeDecodeError):
            return []
        found = [(name, kind, int(number)) for name, number, kind in _LINE.findall(text) if kind != "h"]
        return [(name, kind) for name, kind, _ in sorted(found, key=lambda each: (each[1] != "b", each[2]))]

    def _write(self, named: list[tuple[str, str]]) -> None:
        lines = [f"file {name} seq {_number_of(name)} type {kind}\n" for name, kind in named]
        fresh = self._logs / f"{_MANIFEST}.new"
        fresh.write_text("".join(lines))
        fresh.replace(self._logs / _MANIFEST)

    def _end_of(self, name: str) -> _End:
        path = self._logs / name
        num_bytes = path.stat().st_size
        path.open("rb").close()
        argv = ["valkey-check-aof", str(path)]  # the name selects the checker; the program is `executable`
        output = self._checker_output(argv, _CHECK_S + num_bytes / _BYTES_PER_S)
        sound = _SOUND_UP_TO.search(output)
        return _End(int(sound[1]) if sound else num_bytes if not num_bytes else 0, num_bytes, "format error" in output)

    def _checker_output(self, argv: list[str], limit_s: float) -> str:
        """Runs Valkey's log checker and returns its output.

        Raises `OSError` when the checker does not end within `limit_s`, for example because the disk hangs.
        """
        try:
            found = subprocess.run(argv, executable=self._checker, check=False, capture_output=True, timeout=limit_s)  # noqa: S603
        except subprocess.TimeoutExpired as error:
            raise OSError(errno.ETIMEDOUT, f"the job store's log was not read within {limit_s:.0f} s") from error
        return found.stdout.decode(errors="replace")

    def _keep_if_there_is_room(self, what: Path) -> str:
        """Copies a file if the disk has space. Returns a text that says where the copy is, or why there is none.

        Incomplete writes come from full disks, among other causes. The store must start on a full disk too, so a failed
        copy is no error.
        """
        try:
            return f"see {self._keep(what)}"
        except OSError as error:
            return f"and no copy could be kept: {error.strerror}"

    def _keep(self, what: Path) -> Path:
        """Copies a log file or folder into a new folder below `kept/`, next to the log. Returns the new folder.

        Deletes the oldest copies, so that at most five remain.
        """
        kept = self._folder / "kept"
        place = kept / datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        place.mkdir(parents=True)
        try:
            if what.is_dir():
                shutil.copytree(what, place / what.name)
            else:
                shutil.copy2(what, place)
        except OSError:  # a partial copy would take scarce space, at every start again
            shutil.rmtree(place, ignore_errors=True)
            raise
        for old in sorted(kept.iterdir())[:-_MOST_KEPT]:
            with suppress(OSError):
                shutil.rmtree(old)
        return place


def _in_order(files: set[str]) -> list[tuple[str, str]]:
    """Returns the names and kinds of log files in the order in which Valkey reads them.

    The newest base file (a snapshot) comes first, then all increments (the commands after the snapshot). Older
    increments don't exist, because Valkey deletes them when it has written a base.
    """
    bases = sorted((name for name in files if ".base." in name), key=_number_of)[-1:]
    increments = sorted((name for name in files if ".incr." in name), key=_number_of)
    return [*((name, "b") for name in bases), *((name, "i") for name in increments)]


def _number_of(name: str) -> int:
    found = _NAME.match(name)
    assert found
    return int(found[1])
