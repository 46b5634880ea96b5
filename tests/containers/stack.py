"""The Compose stack on the engine: starts it, reaches it through its proxy, and reads what its containers say."""

import json
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.containers.engine import HERE, THERE, Engine, run
from tests.containers.images import CHECKOUT

TLS_PORT, PROMETHEUS_PORT = 8443, 9090
_COMPOSE = CHECKOUT / "deploy" / "compose"
_LIMIT_S = 120.0
_AUTHORITY = "/data/caddy/pki/authorities/local/root.crt"


def variables(tag: str = "new") -> dict[str, str]:
    """Of Compose, with images that no hub has to serve."""
    servers = "gridpress-servers:ci"
    return {
        "API_IMAGE": f"gridpress-api:{tag}",
        "WORKER_IMAGE": f"gridpress-worker:{tag}",
        "GPU_IMAGE": "gridpress-gpu:new",
        "VALKEY_IMAGE": servers,
        "S3_IMAGE": servers,
        "CADDY_IMAGE": servers,
        "PROMETHEUS_IMAGE": "gridpress-prometheus:ci",
        "API_ADDRESS": "0.0.0.0",
        "OBSERVE_ADDRESS": "0.0.0.0",
        "TLS_PORT": str(TLS_PORT),
        "PROMETHEUS_PORT": str(PROMETHEUS_PORT),
        "MODEL": "simulate:ar=200ms,dit=1s",
        "DRAIN_GRACE_S": "10",
        "STOP_GRACE": "25s",
    }


@dataclass
class Stack:
    """One Compose project. `files` beside compose.yaml; `given` are Compose's variables."""

    engine: Engine
    folder: Path
    given: Mapping[str, str] = field(default_factory=variables)
    files: Sequence[Path] = ()
    project: str = "gridpress"
    _clients: list[httpx.Client] = field(default_factory=list)

    def compose(self, *arguments: str, timeout_s: float = 300, **more: str) -> str:
        files = [f"--file={path}" for path in (_COMPOSE / "compose.yaml", *self.files)]
        argv = ("docker-compose", "--project-name", self.project, *files, "--profile", "proxy", *arguments)
        return run(argv, env={**self.engine.environment, **self.given, **more}, timeout_s=timeout_s)

    def docker(self, *arguments: str) -> str:
        return run(("docker", *arguments), env=self.engine.environment)

    def up(self, *services: str) -> None:
        """Returns once all are healthy that have a health check."""
        self.compose("up", "--detach", "--no-build", *services)
        self.wait_until_healthy()

    def down(self) -> None:
        for client in self._clients:
            client.close()
        self.compose("down", "--volumes", "--timeout", "5")

    def containers(self, service: str) -> list[str]:
        """Returns their ids, the oldest first."""
        argv = ("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={self.project}")
        found = self.docker(*argv, "--filter", f"label=com.docker.compose.service={service}").split()
        return found[::-1]

    def state(self, container: str) -> dict[str, Any]:
        return dict(json.loads(self.docker("inspect", "--format", "{{json .State}}", container)))

    def logs(self, service: str) -> str:
        return self.compose("logs", "--no-log-prefix", "--no-color", service)

    def secret(self, name: str) -> str:
        [container, *_] = self.containers("api")
        return self.docker("exec", container, "cat", f"/etc/gridpress/secrets/{name}").strip()

    def is_healthy(self) -> bool:
        argv = ("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={self.project}")
        states = [self.state(container) for container in self.docker(*argv).split()]
        return all(_is_well(state) for state in states)

    def wait_until_healthy(self) -> None:
        self.wait_until(self.is_healthy)

    def wait_until(self, condition: Callable[[], bool], limit_s: float = _LIMIT_S) -> None:
        until_s = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < until_s, "it never happened:\n" + self.compose("ps", "--all")
            time.sleep(0.2)

    def client(self) -> httpx.Client:
        """Returns a client that goes through the proxy, trusts its authority alone, and has the first key.

        It is closed with the stack.
        """
        [proxy] = self.containers("proxy")
        authority = self.folder / "root.crt"
        self.wait_until(lambda: self._copied(proxy, authority))
        context = ssl.create_default_context(cafile=str(authority))
        client = httpx.Client(
            base_url=f"https://{THERE}:{TLS_PORT}",
            verify=context,
            headers={"Host": "localhost", "Authorization": f"Bearer {self.secret('api_key')}"},
            timeout=60.0,
            trust_env=False,
            event_hooks={"request": [_name_site]},
        )
        self._clients.append(client)
        return client

    def _copied(self, proxy: str, target: Path) -> bool:
        argv = ["docker", "cp", f"{proxy}:{_AUTHORITY}", str(target)]
        return not subprocess.run(argv, env=self.engine.environment, capture_output=True, check=False).returncode


def _name_site(request: httpx.Request) -> None:
    """The proxy is found by address, as DNS would have it, and asked for by name."""
    request.extensions["sni_hostname"] = "localhost"


def _is_well(state: Mapping[str, Any]) -> bool:
    if "Health" in state and state["Status"] == "running":
        return bool(state["Health"]["Status"] == "healthy")
    return bool(state["Status"] == "running" or (state["ExitCode"] == 0 and state["Status"] == "exited"))


RECEIVER_HOST = HERE
