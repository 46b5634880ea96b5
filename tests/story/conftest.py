"""The whole service with a simulated model, a key, and receivers of webhooks and spans; and what all roles logged."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.demo.service import service
from tests.story.collector import Collector, collecting
from tests.workers.delivery.receivers import Receiver, receiving
from tests.workers.enhance.chat import chatting, says

LIMIT_S = 60.0
WEBHOOK_SECRET = "whsec_TUFSS0VEU0VDUkVUTUFSS0VEU0VDUkVUTUFSSw=="
Json = dict[str, Any]


@dataclass(frozen=True)
class House:
    url: str
    key: str
    folder: Path
    receiver: Receiver
    collector: Collector

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, **sent: Any) -> httpx.Response:
        known = {"Authorization": f"Bearer {self.key}", **(headers or {})}
        return httpx.request(method, self.url + path, headers=known, timeout=LIMIT_S, trust_env=False, **sent)

    def submit(self, headers: dict[str, str] | None = None, **fields: object) -> Json:
        asked = {"prompt": "a kite", "size": "256x256", "num_inference_steps": 7, **fields}
        answer = self.ask("POST", "/v1/jobs", headers, json=asked)
        assert answer.status_code in (201, 202), answer.text
        return dict(answer.json())

    def said(self, role: str = "*") -> list[Json]:
        """All lines that are events, in order of time."""
        texts = [file.read_text() for file in self.folder.glob(f"run/{role}.log")]
        lines = [json.loads(line) for text in texts for line in text.splitlines() if line.startswith("{")]
        return sorted((line for line in lines if "timestamp" in line), key=lambda line: str(line["timestamp"]))

    def story(self, **ids: str) -> list[Json]:
        return [line for line in self.said() if ids.items() <= line.items()]

    def pid(self, role: str) -> int:
        return int((self.folder / "run" / f"{role}.pid").read_text())


def wait_until(is_true: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + LIMIT_S
    while not is_true():
        assert time.monotonic() < ends_at
        time.sleep(0.05)


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("story")
    with receiving() as receiver, collecting() as collector, chatting(says("a red kite over a MARKHILL")) as chat:
        environment = {
            "GRIDPRESS_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "GRIDPRESS_LOG_FORMAT": "text",  # log files are JSON all the same
            "GRIDPRESS_EGRESS_ALLOW": "127.0.0.1",
            "GRIDPRESS_API_PROCESSES": "2",
            "GRIDPRESS_ENHANCE_BASE_URL": chat.url,
            "GRIDPRESS_ENHANCE_API_KEY": "sk-MARKCHATKEY",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        with started(folder, environment) as url:
            command = (sys.executable, "-P", "-m", "cli.main", "keys", "create", "--tenant", "acme", "--data", folder)
            key = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
            made = House(url, key, folder, receiver, collector)
            wait_until(lambda: made.ask("GET", "/v1/jobs").status_code == 200)
            yield made


@contextmanager
def started(folder: Path, environment: dict[str, str], model: str = "simulate:ar=0,dit=300ms") -> Iterator[str]:
    """The service, which alone has these variables: other tests run while it does."""
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            url = stack.enter_context(service(folder, model))
        yield url
