"""Defines how to check whether a process is ready.

A Gridpress process creates a file when it is ready. An embedded server is ready when it responds to a request.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shared.process.ready_file import start_file


class Readiness(Protocol):
    """The interface of a readiness check, which finds out whether a process accepts work.

    The supervisor calls it in its loop, so a call must return within about two seconds.
    """

    def is_ready(self) -> bool:
        """Returns whether the process accepts work now."""

    def reset(self) -> None:
        """Removes the ready file, or other traces, of an earlier process.

        Called before every start of the process and after every end.
        """


@dataclass(frozen=True, slots=True)
class ReadyFile:
    """A readiness check that succeeds once the process has created the file `path` (`GRIDPRESS_READY_FILE`)."""

    path: Path

    def is_ready(self) -> bool:
        return self.path.exists()

    def reset(self) -> None:
        self.path.unlink(missing_ok=True)
        start_file(self.path).unlink(missing_ok=True)
