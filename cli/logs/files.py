"""Reads the log files that `gridpress up` writes, and merges the roles' events in order of time."""

import heapq
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cli.errors import Unavailable

Event = dict[str, Any]

_TIME = "timestamp"
_TEXTS = (_TIME, "level", "event", "exception", "stack")  # as our own processes write them


class LogFile:
    """The log of one role. `read` goes on where it ended before, also when the file was cut meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> Iterator[Event]:
        """Yields the events that were written since; the lines of the stores' servers are no events.

        Raises `Unavailable` for a file that can't be read.
        """
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._offset:
                    self._offset = 0
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):  # it is being written
                        return
                    self._offset += len(line)
                    if event := _event_of(line):
                        yield event
        except FileNotFoundError:
            return
        except OSError as error:
            raise Unavailable(f"{self._path} can't be read: {error.strerror}") from error


class LogFolder:
    """The logs of all roles in `DIR/run`."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._files: dict[Path, LogFile] = {}

    def read(self, wanted: Mapping[str, str]) -> Iterator[Event]:
        """Yields the events written since the last call that have all `wanted` fields. Parts that were cut off before
        the first call are read, too.
        """
        pattern = "*.log" if self._files else "*.log*"
        paths = [path for path in self._run_dir.glob(pattern) if path.suffix == ".log" or not self._files]
        files = [self._files.setdefault(path, LogFile(path)) for path in sorted(paths)]
        for event in heapq.merge(*(file.read() for file in files), key=lambda event: event[_TIME]):
            if wanted.items() <= event.items():
                yield event


def _event_of(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    if not isinstance(event, dict) or _TIME not in event:
        return None
    return event if all(isinstance(event.get(name, ""), str) for name in _TEXTS) else None
