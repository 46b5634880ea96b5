"""What a client's function needs: the service, the environments, and a way to run a program with a time limit."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.clients.environments import CHECKOUT, PROGRAMS, Environments
from tests.clients.rows import Call, Failed, Row
from tests.clients.service import Service

_LIMIT_S = 240  # of one program; on a busy machine some need a minute for their imports
_HTTP_LIMIT_S = 60
_MOST_CHARS = 300  # of a program's error output
_NO_NODE = "Node is not installed here"


@dataclass(frozen=True, slots=True)
class Bench:
    """Runs clients against one service. `folder` is for files of the clients."""

    service: Service
    environments: Environments
    folder: Path

    @property
    def picture(self) -> Path:
        """Returns the picture that clients send for an edit."""
        return CHECKOUT / "examples" / "circle.png"

    @property
    def webhook(self) -> Path:
        """Returns the file with a recorded webhook, for the programs that verify it."""
        return self.folder / "webhook.json"

    def http(self) -> httpx.Client:
        """Returns an HTTP client with the API key."""
        headers = {"authorization": f"Bearer {self.service.api_key}"}
        return httpx.Client(base_url=self.service.url, headers=headers, timeout=_HTTP_LIMIT_S)

    def python(
        self, client: str, environment: str, package: str, program: str, *arguments: str, setting: str = ""
    ) -> Row:
        """Runs a program of `python/` in the environment of a client."""
        command = (self.environments.program(environment, "python"), str(PROGRAMS / "python" / program), *arguments)
        return Row(client, self.environments.version(environment, package), self._calls(command), setting)

    def node(self, client: str, package: str, program: str, *arguments: str, setting: str = "") -> Row:
        """Runs a program of `node/`. Without Node, the row says so."""
        version, folder = self.environments.version("node", package), self.environments.node()
        if folder is None:
            return Row(client, version, (Call("all", _NO_NODE, _NO_NODE),), setting)
        return Row(client, version, self._calls(("node", str(folder / program), *arguments)), setting)

    def run(self, command: Sequence[str], given: Mapping[str, str] | None = None) -> str:
        """Runs a command in `folder` and returns its output. Raises `Failed` with the end of its error output."""
        output, error = self._run(command, given or {})
        if error is not None:
            raise Failed(error)
        return output

    def surroundings(self) -> dict[str, str]:
        """Returns the environment variables of a client: none of our settings, and no proxy for loopback."""
        hidden = ("GRIDPRESS_", "PYTHONPATH", "OPENAI_", "AWS_")
        given = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        return {**given, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}

    def _calls(self, command: Sequence[str]) -> list[Call]:
        """Runs a program that prints a JSON line for each call, and returns the calls."""
        given = {
            "GRIDPRESS_URL": self.service.url,
            "GRIDPRESS_API_KEY": self.service.api_key,
            "CLIENT_PICTURE": str(self.picture),
            "CLIENT_WEBHOOK": str(self.webhook),
        }
        output, error = self._run(command, given)
        told = [json.loads(line) for line in output.splitlines() if line.startswith('{"call"')]
        calls = [Call(line["call"], line["error"], line.get("cannot")) for line in told]
        return calls if error is None else [*calls, Call("whole program", error)]

    def _run(self, command: Sequence[str], given: Mapping[str, str]) -> tuple[str, str | None]:
        """Returns the output of a command, and its error if it failed or exceeded the time limit."""
        environment = {**self.surroundings(), **given}
        with subprocess.Popen(
            command,
            env=environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                output, errors = (data.decode(errors="replace") for data in process.communicate(timeout=_LIMIT_S))
            except subprocess.TimeoutExpired:
                process.kill()
                return process.communicate()[0].decode(errors="replace"), f"not finished after {_LIMIT_S} s"
        if process.returncode == 0:
            return output, None
        return output, f"exit status {process.returncode}: {(errors or output).strip()[-_MOST_CHARS:]}"
