"""`gridpress up` sees its workers die: what they held goes on without waiting for their leases."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cli.demo.service import service
from tests.cli.waiting import eventually

A_DAY_S = "86400"
JOB = {"prompt": "a red fox", "size": "256x256", "num_inference_steps": 2}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def url(data_dir: Path) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("GRIDPRESS_LEASE_TTL_S", A_DAY_S)
        with service(data_dir, "simulate:ar=3s,dit=3s") as address:
            yield address


@pytest.mark.parametrize("stage", ["ar", "dit"])
def test_a_killed_workers_render_does_not_wait_for_its_lease(stage: str, url: str, data_dir: Path) -> None:
    running = {"ar": "prior_running", "dit": "decode_running"}[stage]
    with httpx.Client(base_url=url) as client:
        job_id = client.post("/v1/jobs", json=JOB).raise_for_status().json()["id"]

        def job() -> dict[str, object]:
            found: dict[str, object] = client.get(f"/v1/jobs/{job_id}").json()
            return found

        def state() -> str:
            return str(job()["images"][0]["status"])  # type: ignore[index]

        eventually(lambda: state() == running)
        os.kill(int((data_dir / "run" / f"{stage}-0.pid").read_text()), signal.SIGKILL)
        eventually(lambda: job()["status"] == "succeeded")
