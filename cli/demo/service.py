"""Runs the service of the demo: `gridpress up` as a child process, with its own data folder."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM

from cli.errors import Unavailable
from cli.stack.ports import free_ports
from cli.stack.processes.child import Child, Command
from cli.stack.processes.readiness import ReadyFile

_POLL_S = 0.1
_STOP_GRACE_S = 60.0  # longer than `up` waits for its own child processes


@contextmanager
def service(data_dir: Path, model: Path | str, options: Sequence[str] = ()) -> Iterator[str]:
    """Runs the whole service on a free port until the `with` block ends. Yields its URL once every role is ready.

    `options` are further options of `gridpress up`. Raises `Unavailable` with the last log lines when the service does
    not start.
    """
    port = free_ports(1)[0]
    run_dir = data_dir / "run"
    ready = ReadyFile(run_dir / "up.ready")
    ready.reset()
    arguments = ("up", "--port", str(port), "--data", str(data_dir), "--model", str(model), *options)
    command = (sys.executable, "-P", "-m", "cli.main", *arguments)
    child = Child("up", Command(command, {"GRIDPRESS_READY_FILE": str(ready.path)}), run_dir)
    try:
        while not ready.is_ready():
            if child.exit_status() is not None:
                raise Unavailable("the service did not start:\n" + "\n".join(child.last_lines()))
            time.sleep(_POLL_S)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.stop(SIGTERM, _STOP_GRACE_S)
        ready.reset()
