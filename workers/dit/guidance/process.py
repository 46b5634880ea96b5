"""The helper's process as the worker sees it: starts it, talks to it, notices its death. Knows nothing of tensors."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable

import structlog

from shared.errors import Misconfigured

log = structlog.get_logger()

_POLL_S = 0.05
_END_S = 10.0  # a helper ends within a pass once its input is closed; later it is killed


class HelperProcess:
    """One child. It reads our lines from its standard input and ends when that does, however we end."""

    def __init__(self, on_death: Callable[[int], None], argv: tuple[str, ...]) -> None:
        """`on_death` hears the exit status, on a thread of its own, unless `close` was called before."""
        self._on_death = on_death
        self._is_closed = False
        # Unbuffered: what a dead helper did not read must not come back when its pipe is closed.
        command = [sys.executable, "-P", *argv]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0)  # noqa: S603 - our own argv
        self._watch = threading.Thread(target=self._wait, name="guidance-helper", daemon=True)

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, line: bytes) -> None:
        """Raises `OSError` when the helper is gone."""
        assert self._process.stdin
        self._process.stdin.write(line)

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        """Waits as long as it takes to load. Raises `Misconfigured` when the helper ends instead; it has said why."""
        while not is_ready():
            if (status := self._process.poll()) is not None:
                raise Misconfigured(f"the second guidance device could not be used (exit status {status}, see above)")
            time.sleep(_POLL_S)
        self._watch.start()

    def close(self) -> None:
        """Ends it and waits for that."""
        self._is_closed = True
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self) -> None:
        status = self._process.wait()
        if not self._is_closed:
            log.error("guidance.helper_died", status=status)
            self._on_death(status)
