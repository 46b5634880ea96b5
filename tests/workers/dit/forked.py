"""Starts helper processes as forks of one process that has imported everything. An import of torch and diffusers takes
seconds for each process.
"""

import io
import multiprocessing
import os
import sys
from multiprocessing.connection import Connection

from workers.dit.sequence import helper

_FORKS = multiprocessing.get_context("forkserver")


def import_ahead() -> None:
    """Starts the process that imports everything, and does not wait for it."""
    _FORKS.set_forkserver_preload([__name__])
    multiprocessing.forkserver.ensure_running()


class ForkedPopen:
    """Does what `HelperProcess` needs of `subprocess.Popen`."""

    def __init__(self, *_: object, **__: object) -> None:
        reader, writer = _FORKS.Pipe(duplex=False)
        self._process = _FORKS.Process(target=_run, args=(reader,))
        self._process.start()
        reader.close()
        self.stdin = io.FileIO(os.dup(writer.fileno()), "w")
        writer.close()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout_s: float | None = None) -> int | None:
        self._process.join(timeout_s)
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()


def _run(lines: Connection) -> None:
    sys.stdin = open(lines.fileno(), closefd=False)  # noqa: SIM115 - it stays open until the process ends
    helper.main()
