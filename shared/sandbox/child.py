"""Starts a child process for tasks, sends it requests, and kills it when a request takes too long."""

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
_START_S = 20.0  # extra time for the first request: a busy machine may take seconds to start Python

Why = Literal["time", "memory", "crash"]


class TaskKilled(Exception):
    """Raised when the child process was killed or ended before it sent a response. `why` is the reason."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why: Why = why


@dataclass(frozen=True, slots=True)
class Task:
    """The function that a sandboxed child process runs, and its limits. `target` names the function as
    `module:function`.

    `memory_bytes` limits the memory of the process. `cpu_s` limits the CPU seconds of one request. `wall_s` limits its
    elapsed seconds, in case the function waits instead of computing.
    """

    target: str
    memory_bytes: int
    cpu_s: int
    wall_s: float


class Child:
    """A sandboxed child process. Only one thread at a time may use it.

    `is_usable` becomes false when the child was killed or has reported that it will end.
    """

    def __init__(self, task: Task) -> None:
        """Starts the child process for the task. Raises `OSError` if the machine has no free memory, process or file
        descriptor.
        """
        self._task = task
        self._connection, theirs = socket.socketpair()
        command = [sys.executable, "-m", "shared.sandbox", str(theirs.fileno()), str(task.memory_bytes), task.target]
        try:
            with theirs:
                # The child gets none of our environment variables, so an attacker in it finds no credentials.
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
        """Sends a request to the child process and returns the response. Raises `TaskKilled` if the child ended before
        its response. The child can't be used after that.
        """
        was_usable, self.is_usable = self.is_usable, False  # stays false if this thread is interrupted
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
        """Kills the child process, even while it handles a request."""
        self.is_usable = False
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def _killed(self, why: Why) -> TaskKilled:
        """Kills the child process and returns the error to raise. The error has the reason `why`, or `time` if the
        kernel had already killed the child for its CPU time.
        """
        self._connection.close()
        self._process.kill()
        return TaskKilled("time" if self._process.wait() == -SIGXCPU else why)


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "MALLOC_ARENA_MAX": "1"}
