"""How a process says that it is ready: a role of ours touches a file, a server is asked in its own language."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Readiness(Protocol):
    """Asked by the supervisor between ticks, so it answers within a second or two."""

    def is_ready(self) -> bool:
        """Whether the process takes work now."""

    def reset(self) -> None:
        """Forgets the readiness of an earlier process; called before every start and after the end."""


@dataclass(frozen=True, slots=True)
class ReadyFile:
    """Ready once the process has touched `path` (`GRIDPRESS_READY_FILE`)."""

    path: Path

    def is_ready(self) -> bool:
        return self.path.exists()

    def reset(self) -> None:
        self.path.unlink(missing_ok=True)
