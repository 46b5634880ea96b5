"""The API as a process of its own, for tests that ask it by HTTP."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from shared.egress.rules import LOOPBACK
from shared.settings.settings import Settings

TIMEOUT_S = 60


def environment(settings: Settings, **changes: object) -> dict[str, str]:
    """What a process needs to know the object store of `settings`; `changes` are settings in capitals."""
    secret = settings.s3_secret_key
    given = {
        "S3_ENDPOINT_URL": settings.s3_endpoint_url,
        "S3_ACCESS_KEY": settings.s3_access_key,
        "S3_SECRET_KEY": secret.get_secret_value() if secret else None,
        "DATA_DIR": str(settings.data_dir),
        "EGRESS_ALLOW_WHILE_OPEN": LOOPBACK,  # as `gridpress up` says
        **changes,
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GRIDPRESS_")}
    return clean | {f"GRIDPRESS_{name}": str(value) for name, value in given.items() if value is not None}


def start(env: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "api"]
    return subprocess.Popen(command, env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


@dataclass(frozen=True)
class Served:
    """An API that listens on `port`."""

    process: subprocess.Popen[str]
    port: int
    logged: list[str] = field(default_factory=list)

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=TIMEOUT_S, trust_env=False)

    def stop(self) -> None:
        """Asks it to; doesn't wait."""
        self.process.send_signal(signal.SIGTERM)


@contextmanager
def served(settings: Settings, redis_url: str, **changes: object) -> Iterator[Served]:
    """Until the end of the block, if it lives so long."""
    process = start(environment(settings, REDIS_URL=redis_url, PORT=0, **changes))
    assert process.stderr
    logged: list[str] = []
    rest = threading.Thread(target=logged.extend, args=[process.stderr])  # a full pipe would hold up the server
    try:
        line = next(line for line in process.stderr if "api.listening" in line)
        rest.start()
        yield Served(process, json.loads(line)["port"], logged)
    finally:
        process.kill()
        if rest.is_alive():
            rest.join()
        process.communicate()
