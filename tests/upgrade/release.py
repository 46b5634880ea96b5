"""Processes of the service from any checkout, so that two releases can run on the same stores."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

from cli.stack.ports import LOOPBACK, free_ports
from cli.stack.processes.child import tied
from cli.stack.servers.seaweedfs import S3Endpoint, SeaweedFS
from cli.stack.servers.valkey import Valkey

CHECKOUT = Path(__file__).resolve().parents[2]
ROLES = ("upkeep", "delivery", "ar", "dit", "batches", "api")
LIMIT_S = float(os.environ.get("UPGRADE_LIMIT_S", "90"))
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Process:
    """A process of a role with all that it has said. `port` is that of an API, else 0."""

    role: str
    popen: subprocess.Popen[bytes]
    ready_file: Path
    log_file: Path
    port: int = 0

    @property
    def is_ready(self) -> bool:
        assert self.is_running, self.log
        return self.ready_file.exists()

    @property
    def is_running(self) -> bool:
        return self.popen.poll() is None

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def stop(self) -> None:
        """Asks the process to end, as a deployment does, and waits until it has drained."""
        self.popen.send_signal(SIGTERM)
        self.popen.wait(LIMIT_S)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()


class Release:
    """The code of one checkout. Its processes end with the block."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str], checkout: Path = CHECKOUT) -> None:
        self.name = name
        self.processes: list[Process] = []
        self._folder = folder
        clean = {key: value for key, value in os.environ.items() if not key.startswith("GRIDPRESS_")}
        self._environment = {**clean, **environment, "PYTHONPATH": str(checkout), "GRIDPRESS_LOG_FORMAT": "json"}

    def __enter__(self) -> "Release":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()

    def start(self, role: str, revision: str = "", **settings: str) -> Process:
        """Starts a process of a role and waits for nothing. `revision` is what a simulated worker announces; ''
        for that of all simulated workers.
        """
        place = self._folder / f"{self.name}-{role}-{len(self.processes)}"
        port = free_ports(1)[0] if role == "api" else 0
        given = {"ready_file": f"{place}.ready", "port": str(port or 8000), **settings}
        environment = {**self._environment, **{f"GRIDPRESS_{name.upper()}": value for name, value in given.items()}}
        module = "api" if role == "api" else f"workers.{role}"
        program = ("tests.upgrade.worker", role, revision) if revision else (module,)
        with Path(f"{place}.log").open("wb") as log:
            argv = tied([sys.executable, "-P", "-m", *program])
            popen = subprocess.Popen(argv, env=environment, stdout=log, stderr=log)
        process = Process(role, popen, Path(f"{place}.ready"), Path(f"{place}.log"), port)
        self.processes.append(process)
        return process

    def start_all(self, *roles: str, **settings: str) -> list[Process]:
        """Starts one process of each role and waits until all accept work."""
        started = [self.start(role, **settings) for role in roles]
        wait_until(lambda: all(process.is_ready for process in started))
        return started

    def command(self, *arguments: str) -> str:
        """Runs the `gridpress` command of this release, and returns what it prints."""
        argv = [sys.executable, "-P", "-m", "cli.main", *arguments]
        done = subprocess.run(argv, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


def environment_of(redis_url: str, s3: S3Endpoint, data_dir: Path, webhook_secret: str) -> dict[str, str]:
    """Returns the settings that all processes of a service share, as environment variables."""
    return {
        "GRIDPRESS_REDIS_URL": redis_url,
        "GRIDPRESS_S3_ENDPOINT_URL": s3.url,
        "GRIDPRESS_S3_ACCESS_KEY": s3.access_key,
        "GRIDPRESS_S3_SECRET_KEY": s3.secret_key,
        "GRIDPRESS_DATA_DIR": str(data_dir),
        "GRIDPRESS_WEBHOOK_SECRET": webhook_secret,
        "GRIDPRESS_EGRESS_ALLOW": LOOPBACK,
        "GRIDPRESS_EGRESS_ALLOW_WHILE_OPEN": LOOPBACK,
        "GRIDPRESS_LEASE_TTL_S": "3",
        "GRIDPRESS_MODEL": "simulate:ar=0,dit=0",
    }


@contextmanager
def stores(folder: Path) -> Iterator[tuple[str, S3Endpoint]]:
    """Runs both stores until the block ends. Yields the URL of the job store, and the object store."""
    valkey, seaweedfs = Valkey(folder), SeaweedFS(folder)
    try:
        yield valkey.start(), seaweedfs.start()
    finally:
        valkey.stop()
        seaweedfs.stop()


def wait_until(is_true: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    """Waits for a condition. Fails when it does not hold within `limit_s`."""
    deadline_s = time.monotonic() + limit_s
    while not is_true():
        assert time.monotonic() < deadline_s, "it never happened"
        time.sleep(_POLL_S)
