"""From a job to a receiver, through the API, the delivery process and the command that listens."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from cli.main import main
from shared.settings.settings import Settings
from shared.store.core.connect import Client
from tests.api.processes import Served, environment, served


@contextmanager
def delivering(settings: Settings, redis_url: str) -> Iterator[None]:
    """The delivery process, until the end of the block."""
    command = [sys.executable, "-m", "workers.delivery"]
    process = subprocess.Popen(command, env=environment(settings, REDIS_URL=redis_url), stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def api(client: Client, s3_settings: Settings, valkey_url: str) -> Iterator[Served]:
    with served(s3_settings, valkey_url) as api, delivering(s3_settings, valkey_url):
        yield api


class Happenings(threading.Thread):
    """Once somebody listens: a job that is cancelled, and a test."""

    def __init__(self, api: Served) -> None:
        super().__init__()
        self._api = api
        self.is_over = threading.Event()
        self.job_id = ""
        self.attempts: list[dict[str, Any]] = []

    def run(self) -> None:
        with self._api.client() as http:
            endpoint_id = self._registered(http)
            self.job_id = http.post("/v1/jobs", json={"prompt": "a"}).json()["id"]
            http.post(f"/v1/jobs/{self.job_id}/cancel")
            while not self.attempts and not self.is_over.is_set():
                self.attempts = http.get(f"/v1/jobs/{self.job_id}/webhook_attempts").json()["data"]
            http.post(f"/v1/webhook_endpoints/{endpoint_id}/test")

    def _registered(self, http: httpx.Client) -> str:
        found: list[dict[str, Any]] = []
        while not found and not self.is_over.is_set():
            found = http.get("/v1/webhook_endpoints").json()["data"]
        return str(found[0]["id"])


def test_whoever_listens_sees_what_happens_signed_and_logged(api: Served) -> None:
    happenings = Happenings(api)
    happenings.start()
    url = f"http://127.0.0.1:{api.port}"
    listen = ["webhooks", "listen", "--port", "0", "--register", "--json", "--count", "2", "--url", url]
    result = CliRunner().invoke(main, listen, env={"GRIDPRESS_API_KEY": ""})
    happenings.is_over.set()
    happenings.join()
    assert result.exit_code == 0, result.output
    ended, test = map(json.loads, result.stdout.splitlines())
    assert (ended["type"], ended["data"]["id"], ended["data"]["status"]) == (
        "job.cancelled",
        happenings.job_id,
        "cancelled",
    )
    assert (test["type"], test["data"]["object"]) == ("webhook_endpoint.test", "webhook_endpoint")
    assert test["sequence"] > ended["sequence"]
    [attempt] = happenings.attempts
    assert (attempt["type"], attempt["status"], attempt["attempt"]) == ("job.cancelled", 204, 1)
    with api.client() as http:
        assert http.get("/v1/webhook_endpoints").json()["data"] == []
