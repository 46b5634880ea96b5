"""`gridpress up --metrics-port`: all roles on one page, whatever one of them does."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import httpx
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics

from tests.cli.waiting import eventually
from tests.shared.metrics.reading import samples, total
from tests.workers.delivery.receivers import receiving

ROLES = {"api-0", "ar-0", "dit-0", "delivery-0", "batch-0", "upkeep-0"}


def test_a_picture_is_counted_by_every_role_that_had_to_do_with_it(url: str, metrics_port: int) -> None:
    before = samples(metrics_port)
    assert [one for one in before if one.labels.get("outcome") == "failed"]  # known before the first

    def grown(name: str, **labels: str) -> float:
        return total(samples(metrics_port), name, **labels) - total(before, name, **labels)

    with receiving() as receiver:
        asked = {"prompt": "a red fox", "webhook_url": receiver.url}
        fields = {"Prefer": "wait=30"}
        job = httpx.post(f"{url}/v1/jobs", json=asked, headers=fields, timeout=60, trust_env=False).json()
        assert job["status"] == "succeeded"
        receiver.wait_for(1)
    eventually(lambda: grown("webhook_attempts_total", outcome="delivered") == 1)
    assert grown("webhook_attempt_seconds_count") == 1
    for role in ("ar-0", "dit-0"):
        assert grown("renders_total", role=role, outcome="succeeded") == 1
        assert grown("renders_total", role=role, outcome="failed") == 0
        assert grown("render_seconds_count", role=role) == 1
        assert grown("engine_step_seconds_count", role=role) >= 1
    assert grown("jobs_submitted_total", role="api-0") == 1
    assert grown("object_store_request_seconds_count", role="dit-0", operation="PutObject") >= 3
    assert {sample.labels["role"] for sample in samples(metrics_port)} == ROLES
    assert total(samples(metrics_port), "role_up") == len(ROLES)
    assert total(samples(metrics_port), "build_info") == len(ROLES)


def test_the_page_is_clean_in_both_formats(url: str, metrics_port: int) -> None:
    fields = {"Accept": "application/openmetrics-text;version=1.0.0"}  # as Prometheus asks
    page = httpx.get(f"http://127.0.0.1:{metrics_port}/metrics", headers=fields, timeout=30, trust_env=False)
    assert page.headers["content-type"].startswith("application/openmetrics-text")
    assert {"gridpress_renders", "gridpress_role_up"} <= {family.name for family in open_metrics(page.text)}
    if promtool := shutil.which("promtool"):
        text = httpx.get(f"http://127.0.0.1:{metrics_port}/metrics", timeout=30, trust_env=False).text
        checked = subprocess.run(
            [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_a_role_that_hangs_is_left_out_and_holds_up_nothing(url: str, folder: Path, metrics_port: int) -> None:
    pid = int((folder / "run" / "delivery-0.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        assert total(samples(metrics_port), "role_up", role="delivery-0") == 0
        assert not [
            one for one in samples(metrics_port) if one.labels["role"] == "delivery-0" and "role_up" not in one.name
        ]
        assert total(samples(metrics_port), "role_up") == len(ROLES) - 1
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: total(samples(metrics_port), "role_up") == len(ROLES))


def test_the_address_is_said_at_the_start(url: str, folder: Path, metrics_port: int) -> None:
    assert f"Metrics of all roles: http://127.0.0.1:{metrics_port}/metrics" in (folder / "run" / "up.log").read_text()
