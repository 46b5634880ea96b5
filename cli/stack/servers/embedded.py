"""An embedded server from a wheel, on loopback, with its data in a folder. `up` supervises it; tests start it alone."""

import time
from abc import ABC, abstractmethod
from pathlib import Path
from signal import Signals
from typing import ClassVar

from cli.stack.processes.child import Child, Command
from shared.errors import Misconfigured

_POLL_S = 0.05


class Embedded(ABC):
    """The common part of the embedded servers. A subclass has its command and its readiness check."""

    role: ClassVar[str]
    stop_signal: ClassVar[Signals]
    stop_grace_s: ClassVar[float]

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.resolve()
        self._child: Child | None = None

    @abstractmethod
    def command(self) -> Command:
        """Writes the configuration and returns the server's command."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Returns whether the server accepts its own credentials. Tries once, for at most two seconds or so."""

    def prepare(self) -> str | None:
        """Runs before each start. Returns a message to print. Raises `Misconfigured` when a start would do harm."""
        return None

    def reset(self) -> None:  # noqa: B027 - most servers leave nothing
        """Removes files that an ended server left outside its folder."""

    def launch(self, timeout_s: float = 60.0) -> None:
        """Starts the server and returns once it is ready.

        Raises `Misconfigured` with its last log lines when it fails.
        """
        self.prepare()
        self._child = Child(f"{self.role}-0", self.command(), self.data_dir / "run")
        deadline = time.monotonic() + timeout_s
        while not self.is_ready():
            if self._child.exit_status() is not None or time.monotonic() > deadline:
                last_words = "\n".join(self._child.last_lines())
                self.stop()
                raise Misconfigured(f"{self.role} did not start:\n{last_words}")
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Stops the server if it runs. All acknowledged writes stay on disk."""
        if self._child is not None:
            self._child.stop(self.stop_signal, self.stop_grace_s)
            self._child = None
        self.reset()
