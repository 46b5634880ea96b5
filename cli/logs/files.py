"""Reads the log files that `gridpress up` writes, and merges the events of all roles in order of time."""

import heapq
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from cli.errors import Unavailable
from cli.ids import is_start_of

Event = dict[str, Any]

_TIME = "timestamp"
_TEXTS = (_TIME, "level", "event", "exception", "stack")  # fields that Gridpress processes always write as text


class LogFile:
    """Reads the log file of one role. Each call of `read` continues where the previous call ended.

    After the file was truncated, the next call begins at its start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> Iterator[Event]:
        """Yields the log events that were written since the previous call.

        Skips lines that are not log events, such as the output of embedded servers. Raises `Unavailable` for a file
        that can't be read.
        """
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._offset:
                    self._offset = 0
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):  # the line is still being written
                        return
                    self._offset += len(line)
                    if event := _event_of(line):
                        yield event
        except FileNotFoundError:
            return
        except OSError as error:
            raise Unavailable(f"{self._path} can't be read: {error.strerror}") from error


class LogFolder:
    """Reads the log files of all roles, or of some, which are in the folder `run` of the data folder."""

    def __init__(self, run_dir: Path, roles: Collection[str] = ()) -> None:
        self._run_dir = run_dir
        self._roles = roles
        self._files: dict[Path, LogFile] = {}

    def read(self, wanted: Mapping[str, str]) -> Iterator[Event]:
        """Yields the log events that were written since the previous call, in order of time.

        Yields only events that have all `wanted` fields. A wanted `job_id` may be the beginning of an id.

        The first call also reads the older parts of the logs, which
        are in files named `ROLE-N.log.1`.
        """
        pattern = "*.log" if self._files else "*.log*"
        paths = [path for path in self._run_dir.glob(pattern) if path.suffix == ".log" or not self._files]
        asked = [path for path in paths if not self._roles or any(is_of_role(path, role) for role in self._roles)]
        files = [self._files.setdefault(path, LogFile(path)) for path in sorted(asked)]
        for event in heapq.merge(*(file.read() for file in files), key=lambda event: event[_TIME]):
            if all(_has(event, name, value) for name, value in wanted.items()):
                yield event


def is_of_role(path: Path, role: str) -> bool:
    """Returns whether a log file belongs to a role, such as `dit`, or to one process of it, such as `dit-1`."""
    process = path.name.partition(".")[0]
    return role in (process, process.rpartition("-")[0])


def _has(event: Event, name: str, value: str) -> bool:
    found = event.get(name)
    return found == value or (name == "job_id" and isinstance(found, str) and is_start_of(value, found))


def _event_of(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    if not isinstance(event, dict) or _TIME not in event:
        return None
    return event if all(isinstance(event.get(name, ""), str) for name in _TEXTS) else None
