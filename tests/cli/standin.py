"""A service of stand-ins, run as a process of its own: real store, and workers that only say that they are ready.

python -m tests.cli.standin DIR [WORKER-SCRIPT]
"""

import sys
from pathlib import Path

from rich.console import Console

from cli.stack.lock import folder_lock
from cli.stack.processes.child import Child, Command
from cli.stack.processes.loop import run
from cli.stack.processes.readiness import ReadyFile
from cli.stack.processes.supervised_role import Role
from cli.stack.processes.supervisor import Supervisor
from cli.stack.servers.valkey import Valkey
from cli.up.narrator import Narrator

READY_AND_WAIT = "import os, pathlib, time; pathlib.Path(os.environ['READY']).touch(); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY_AND_WAIT}"
BROKEN = "import sys; print('no checkpoint at /nowhere', file=sys.stderr); sys.exit(78)"


def main(data_dir: Path, script: str) -> None:
    run_dir = data_dir / "run"
    valkey = Valkey(data_dir)
    server = Role("valkey-0", valkey.command(), valkey, valkey.stop_signal, valkey.stop_grace_s)
    workers = [_worker(f"ar-{index}", script, run_dir) for index in range(2)]
    supervisor = Supervisor([[server], workers], lambda role: Child(role.name, role.command, run_dir))
    with Narrator(Console(stderr=True), run_dir, "http://127.0.0.1:1", None) as narrator:
        run(supervisor, narrator, lambda: False)


def _worker(name: str, script: str, run_dir: Path) -> Role:
    ready_file = run_dir / f"{name}.ready"
    command = Command((sys.executable, "-c", script), {"READY": str(ready_file)})
    return Role(name, command, ReadyFile(ready_file), grace_s=300.0)


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    with folder_lock(folder):
        main(folder, sys.argv[2] if len(sys.argv) > 2 else READY_AND_WAIT)
