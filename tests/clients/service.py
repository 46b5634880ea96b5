"""Runs one service for all clients: `gridpress up` on loopback with simulated engines and embedded servers."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

from cli.stack.ports import free_ports
from cli.stack.processes.child import Child, Command
from cli.stack.processes.readiness import ReadyFile
from cli.stack.secrets import secret
from tests.clients.rows import Failed

_START_LIMIT_S = 300
_STOP_GRACE_S = 60.0
_POLL_S = 0.1
_BUCKET = "gridpress"
_SETTINGS = {
    # Clients with fixed names send these.
    "GRIDPRESS_MODEL_ALIASES": "dall-e-2,dall-e-3,gpt-image-1",
    # Flower shows the tasks of workers that send events.
    "GRIDPRESS_CELERY_EVENTS": "true",
    # Webhooks go to a receiver on this machine, although an API key exists.
    "GRIDPRESS_EGRESS_ALLOW": "127.0.0.0/8",
}


@dataclass(frozen=True, slots=True)
class Service:
    """Addresses and keys of the running service and of its embedded servers."""

    url: str
    api_key: str
    redis_url: str
    s3_url: str
    s3_access_key: str
    s3_secret_key: str
    bucket: str = _BUCKET


@contextmanager
def service(data_dir: Path) -> Iterator[Service]:
    """Starts the service in a data folder, makes an API key, and stops all of it when the `with` block ends."""
    port, run_dir, servers = free_ports(1)[0], data_dir / "run", data_dir / "servers.json"
    ready = ReadyFile(run_dir / "up.ready")
    # `tests.chaos.up` is `gridpress up` that also notes the URLs of its embedded servers.
    noted = {"CHAOS_PLACES": "{}", "CHAOS_SERVERS": str(servers), "GRIDPRESS_READY_FILE": str(ready.path)}
    arguments = ("up", "--port", str(port), "--data", str(data_dir), "--model", "simulate")
    child = Child("up", Command((sys.executable, "-m", "tests.chaos.up", *arguments), {**_SETTINGS, **noted}), run_dir)
    try:
        _wait(child, ready)
        found = json.loads(servers.read_text())
        yield Service(
            url=f"http://127.0.0.1:{port}",
            api_key=_new_key(found),
            redis_url=found["GRIDPRESS_REDIS_URL"],
            s3_url=found["GRIDPRESS_S3_ENDPOINT_URL"],
            s3_access_key=secret(data_dir, "s3_access_key"),
            s3_secret_key=secret(data_dir, "s3_secret_key"),
        )
    finally:
        child.stop(SIGTERM, _STOP_GRACE_S)


def _wait(child: Child, ready: ReadyFile) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while not ready.is_ready():
        if child.exit_status() is not None or time.monotonic() > deadline:
            raise Failed("the service did not start:\n" + "\n".join(child.last_lines()))
        time.sleep(_POLL_S)


def _new_key(addresses: Mapping[str, str]) -> str:
    scopes = ("--scope", "read", "--scope", "render", "--scope", "admin")
    command = (sys.executable, "-m", "cli.main", "keys", "create", "--tenant", "clients", *scopes)
    environment = {**os.environ, **addresses}
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    return made.stdout.strip()
