"""The parent's side of a child process: starts it, asks it, and kills it when it takes too long."""

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from signal import SIGXCPU
from typing import Literal

from typing_extensions import Buffer

from shared.sandbox.frames import Head, receive, send

_MOST_ANSWER_BYTES = 128 * 1024 * 1024
_START_S = 20.0  # a busy machine may take seconds to start a Python; no task's time counts for that

Why = Literal["time", "memory", "crash"]


class TaskKilled(Exception):
    """The child was killed, or ended, before it answered."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why: Why = why


@dataclass(frozen=True, slots=True)
class Task:
    """The task of a child: `target` is `module:function`. `wall_s` limits the time of a task that waits instead of
    computing.
    """

    target: str
    memory_bytes: int
    cpu_s: int
    wall_s: float


class Child:
    """A child process, for one thread at a time. `is_usable` until it was killed or said that it will end."""

    def __init__(self, task: Task) -> None:
        """Raises `OSError` when the machine lacks what a process needs."""
        self._task = task
        self._connection, theirs = socket.socketpair()
        command = [sys.executable, "-m", "shared.sandbox", str(theirs.fileno()), str(task.memory_bytes), task.target]
        try:
            with theirs:
                # Of our environment it gets nothing: whoever takes it over finds no credentials.
                self._process = subprocess.Popen(command, env=_environment(), pass_fds=[theirs.fileno()])  # noqa: S603
        except BaseException:
            self._connection.close()
            raise
        self._patience_s = _START_S
        self.is_usable = True

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, ask: Head, data: Buffer = b"") -> tuple[Head, bytes]:
        """Sends a request and returns the answer. Raises `TaskKilled`; the child has ended then."""
        was_usable, self.is_usable = self.is_usable, False  # also when this thread is stopped half-way
        assert was_usable
        try:
            self._connection.settimeout(self._task.wall_s + self._patience_s)
            send(self._connection, {"cpu_s": self._task.cpu_s, "ask": ask}, data)
            head, content = receive(self._connection, _MOST_ANSWER_BYTES)
        except TimeoutError as error:
            raise self._killed("time") from error
        except (OSError, EOFError, ValueError) as error:
            raise self._killed("crash") from error
        if "answer" not in head:
            raise self._killed(head.get("killed", "crash"))
        self._patience_s = 0.0
        self.is_usable = not head.get("used_up")
        return head["answer"], content

    def close(self) -> None:
        """Kills the child, whatever it is doing."""
        self.is_usable = False
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def _killed(self, why: Why) -> TaskKilled:
        """Kills the child and returns the error. A child that ends by itself just then keeps its own exit status."""
        self._connection.close()
        self._process.kill()
        return TaskKilled("time" if self._process.wait() == -SIGXCPU else why)


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "MALLOC_ARENA_MAX": "1"}
