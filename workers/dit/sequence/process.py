"""Starts a helper process (which computes on a further device), sends lines to it and notices when it dies. It knows
nothing of tensors.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable

import structlog

from shared.errors import GridpressError, Misconfigured

log = structlog.get_logger()

_POLL_S = 0.05
_END_S = 10.0  # the longest wait for the helper to end after its input is closed; then it is killed


class HelperNotReady(GridpressError):
    """A helper process did not load the model in time, or can't connect to the others. The next start may succeed."""

    code = "helper_not_ready"


class HelperProcess:
    """A helper process: a child process of the worker that reads lines from its standard input.

    It exits when this input ends, and so also when the worker crashes.
    """

    def __init__(self, on_death: Callable[[int], None], device: str, argv: tuple[str, ...]) -> None:
        """Starts a Python process with the arguments `argv`, which computes on `device`.

        If it ends before `close` is called, `on_death` is called with its exit status, on a separate thread.
        """
        self.device = device
        self._on_death = on_death
        self._is_closed = False
        # Unbuffered: with a buffer, closing the pipe of a dead helper would flush lines to it and raise an error.
        command = [sys.executable, "-P", *argv]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0)  # noqa: S603 - our own argv
        self._watch = threading.Thread(target=self._wait, name="dit-helper", daemon=True)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send_line(self, line: bytes) -> None:
        """Sends one line to the helper process. Raises `OSError` if that process is dead."""
        assert self._process.stdin
        self._process.stdin.write(line)

    def wait_until(self, is_ready: Callable[[], bool], timeout_s: float) -> None:
        """Waits until `is_ready` returns True, which means that the helper process has loaded the model.

        Raises `Misconfigured` if the helper exits before that. The helper has then logged the reason. Raises
        `HelperNotReady` after `timeout_s`.
        """
        end_s = time.monotonic() + timeout_s
        while not is_ready():
            if (status := self._process.poll()) is not None:
                raise Misconfigured(f"the device {self.device} could not be used (exit status {status}, see above)")
            if time.monotonic() >= end_s:
                raise HelperNotReady(
                    f"the process of the device {self.device} did not load the model within {timeout_s:.0f} s"
                )
            time.sleep(_POLL_S)
        self._watch.start()

    def close_input(self) -> None:
        """Lets the helper process end, and does not wait for its end."""
        self._is_closed = True
        assert self._process.stdin
        self._process.stdin.close()

    def close(self) -> None:
        """Ends the helper process and waits until it has ended. If it has not ended after 10 s, kills it."""
        self.close_input()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Ends the helper process at once."""
        self.close_input()
        self._process.kill()
        self._process.wait()

    def _wait(self) -> None:
        status = self._process.wait()
        if not self._is_closed:
            log.error("dit.helper_died", device=self.device, status=status)
            self._on_death(status)
