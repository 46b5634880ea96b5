"""Processes and readiness that do what a test says."""

from dataclasses import dataclass, field
from signal import SIGKILL, Signals

from cli.stack.processes.child import Command
from cli.stack.processes.supervised_role import Process, Role


@dataclass
class FakeProcess:
    """Runs until `status` is set; obeys a signal unless it is stubborn."""

    role: str
    stubborn: bool = False
    status: int | None = None
    signals: list[Signals] = field(default_factory=list)
    is_forgotten: bool = False
    trouble: str = ""
    said: str = ""

    def exit_status(self) -> int | None:
        return self.status

    def signal(self, number: Signals) -> None:
        self.signals.append(number)
        if self.status is None and (number is SIGKILL or not self.stubborn):
            self.status = -number

    def last_lines(self) -> list[str]:
        return [self.said or f"last words of {self.role}"]

    def tend(self) -> str:
        return self.trouble

    def clean_up(self) -> None:
        self.is_forgotten = True


@dataclass
class FakeReadiness:
    """Ready when the test says so, and until it is reset."""

    ready: bool = False

    def is_ready(self) -> bool:
        return self.ready

    def reset(self) -> None:
        self.ready = False


class FakeStack:
    """Spawns fake processes and remembers them in order."""

    def __init__(self, *names: str, stubborn: bool = False) -> None:
        self.readiness = {name: FakeReadiness() for name in names}
        self.started: list[FakeProcess] = []
        self._stubborn = stubborn

    def role(self, name: str, *, is_ours: bool = True) -> Role:
        return Role(name, Command(("true",)), self.readiness[name], grace_s=20.0, is_ours=is_ours)

    def spawn(self, role: Role) -> Process:
        self.started.append(FakeProcess(role.name, stubborn=self._stubborn))
        return self.started[-1]

    @property
    def names(self) -> list[str]:
        return [process.role for process in self.started]

    def latest(self, name: str) -> FakeProcess:
        return next(process for process in reversed(self.started) if process.role == name)
