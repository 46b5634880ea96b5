"""Weights are replaced while jobs run: a new revision comes up beside the old one, on real servers and processes."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.stack.servers.seaweedfs import S3Endpoint
from tests.chaos.receiver import CountingReceiver
from tests.upgrade.fill import SECRET
from tests.upgrade.release import Process, Release, environment_of, wait_until

pytestmark = pytest.mark.timeout(900)

OLD, NEW = "weights-1", "weights-2"
SLOW = "simulate:ar=600s"


class Service:
    """Workers of both revisions come and go; the other roles stay."""

    def __init__(self, release: Release, http: httpx.Client) -> None:
        self._release, self._http = release, http

    def start(self, stage: str, revision: str, model: str = "simulate:ar=0,dit=0") -> Process:
        """Starts a worker with one place."""
        worker = self._release.start(stage, revision, model=model, ar_slots="1", drain_grace_s="1")
        wait_until(lambda: worker.is_ready)
        return worker

    def submit(self, name: str, webhook_url: str) -> str:
        asked = {"prompt": name, "size": "256x256", "seed": 7, "webhook_url": webhook_url, "webhook_secret": SECRET}
        return str(self._post("/v1/jobs", **asked)["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(self._http.get(f"/v1/jobs/{job_id}").raise_for_status().json())

    def state(self, job_id: str) -> str:
        return str(self.job(job_id)["images"][0]["status"])

    def wait_for(self, state: str, *job_ids: str) -> None:
        wait_until(lambda: all(self.state(job_id) == state for job_id in job_ids))

    def requeue(self, to: str) -> int:
        return int(self._post("/v1/requeue", to=to)["moved"])

    def drain(self, stage: str, revision: str) -> None:
        """Drains the only worker of a stage and revision."""
        workers = self._http.get("/v1/workers").raise_for_status().json()["data"]
        [found] = [each for each in workers if (each["stage"], each["revision"]) == (stage, revision)]
        self._post(f"/v1/workers/{found['id']}/drain")

    def _post(self, path: str, **body: str | int) -> dict[str, Any]:
        return dict(self._http.post(path, json=body or None).raise_for_status().json())


@pytest.fixture
def receiver() -> Iterator[CountingReceiver]:
    with CountingReceiver(SECRET) as found:
        yield found


@pytest.fixture
def service(empty_valkey_url: str, s3: S3Endpoint, tmp_path: Path) -> Iterator[Service]:
    environment = environment_of(empty_valkey_url, s3, tmp_path, SECRET)
    with Release("weights", tmp_path, environment) as release:
        *_, api = release.start_all("upkeep", "delivery", "api")
        with closing(httpx.Client(base_url=api.url, timeout=20.0, trust_env=False)) as http:
            yield Service(release, http)


def test_new_weights_replace_old_ones_and_each_job_says_which_of_them_rendered_it(
    service: Service, receiver: CountingReceiver
) -> None:
    """What has an old token grid waits for an old DiT worker. Everything else is rendered by the new weights."""
    ar = service.start("ar", OLD)
    has_grid = service.submit("has a grid", receiver.url)
    service.wait_for("prior_ready", has_grid)
    ar.stop()
    service.start("ar", OLD, SLOW)
    runs = service.submit("runs in the old AR worker", receiver.url)
    service.wait_for("prior_running", runs)
    waits = [service.submit(f"waits {number}", receiver.url) for number in range(3)]

    service.start("ar", NEW)
    service.start("dit", NEW)
    assert service.requeue(NEW) >= len(waits) - 1, "the old worker may prepare one of them"
    service.drain("ar", OLD)
    after = service.submit("after", receiver.url)
    service.wait_for("succeeded", runs, *waits, after)
    assert service.state(has_grid) == "prior_ready"

    service.start("dit", OLD)
    service.wait_for("succeeded", has_grid)
    expected = {has_grid: OLD, **dict.fromkeys((runs, *waits, after), NEW)}
    assert {job_id: service.job(job_id)["revision"] for job_id in expected} == expected
    assert receiver.wait_for(list(expected), 30) == len(expected)
    assert [len(receiver.ids_of(job_id)) for job_id in expected] == [1] * len(expected)
