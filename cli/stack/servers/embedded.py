"""Defines the base class of the embedded servers, which are installed from Python wheels.

They listen on loopback and store their data in the data folder.
"""

import time
from abc import ABC, abstractmethod
from pathlib import Path
from signal import Signals
from typing import ClassVar

from cli.stack.processes.child import Child, Command
from shared.errors import Misconfigured

_POLL_S = 0.05


class Embedded(ABC):
    """An embedded server. A subclass defines its command and its readiness check.

    `gridpress up` runs the server under a supervisor. `launch` starts it without one, for example in tests.
    """

    role: ClassVar[str]
    stop_signal: ClassVar[Signals]
    stop_grace_s: ClassVar[float]

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.resolve()
        self._child: Child | None = None

    @abstractmethod
    def command(self) -> Command:
        """Writes the configuration of the server and returns the command that starts it."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Returns whether the embedded server accepts its credentials.

        Tries only once, which takes about two seconds at most.
        """

    def prepare(self) -> str | None:
        """Prepares a start of the embedded server. Returns a message to print, or None.

        Raises `Misconfigured` when the start could lose data.
        """
        return None

    def reset(self) -> None:  # noqa: B027 - most servers leave nothing
        """Removes the files that an embedded server left outside the data folder when it ended."""

    def launch(self, timeout_s: float = 60.0) -> None:
        """Starts the embedded server without a supervisor, and returns once the server is ready.

        Raises `Misconfigured`, with the last log lines, when the server ends or is not ready in time.
        """
        self.prepare()
        self._child = Child(f"{self.role}-0", self.command(), self.data_dir / "run")
        deadline = time.monotonic() + timeout_s
        while not self.is_ready():
            if self._child.exit_status() is not None or time.monotonic() > deadline:
                last_lines = "\n".join(self._child.last_lines())
                self.stop()
                raise Misconfigured(f"{self.role} did not start:\n{last_lines}")
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Stops the embedded server if it runs. All acknowledged writes stay on disk."""
        if self._child is not None:
            self._child.stop(self.stop_signal, self.stop_grace_s)
            self._child = None
        self.reset()
