"""`gridpress up --metrics-port`: all roles on one page, whatever one of them does."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics

from cli.demo.service import service
from cli.main import main
from cli.stack.metrics import combined_page
from cli.stack.ports import free_ports
from shared.metrics.exposition import listen, serve
from tests.cli.waiting import eventually
from tests.shared.metrics.reading import samples, total
from tests.workers.delivery.receivers import receiving

ROLES = {"api-0", "ar-0", "dit-0", "delivery-0", "batch-0", "upkeep-0"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up")


@pytest.fixture(scope="module")
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def url(folder: Path, port: int) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRIDPRESS_METRICS_PORT", str(port))
        with service(folder, "simulate:ar=0,dit=0") as address:
            yield address


def test_a_picture_is_counted_by_every_role_that_had_to_do_with_it(url: str, port: int) -> None:
    assert total(samples(port), "renders_total", role="dit-0", outcome="failed") == 0
    assert [one for one in samples(port) if one.labels.get("outcome") == "failed"]  # known before the first
    with receiving() as receiver:
        asked = {"prompt": "a red fox", "webhook_url": receiver.url}
        fields = {"Prefer": "wait=30"}
        job = httpx.post(f"{url}/v1/jobs", json=asked, headers=fields, timeout=60, trust_env=False).json()
        assert job["status"] == "succeeded"
        receiver.wait_for(1)
    eventually(lambda: total(samples(port), "webhook_attempts_total", outcome="delivered") == 1)
    assert total(samples(port), "webhook_attempt_seconds_count") == 1
    for role in ("ar-0", "dit-0"):
        assert total(samples(port), "renders_total", role=role, outcome="succeeded") == 1
        assert total(samples(port), "render_seconds_count", role=role) == 1
    assert {sample.labels["role"] for sample in samples(port)} == ROLES
    assert total(samples(port), "role_up") == len(ROLES)
    assert total(samples(port), "jobs_submitted_total", role="api-0") == 1
    assert total(samples(port), "engine_step_seconds_count", role="ar-0") >= 1
    assert total(samples(port), "engine_step_seconds_count", role="dit-0") >= 1
    assert total(samples(port), "object_store_request_seconds_count", role="dit-0", operation="PutObject") >= 3
    assert total(samples(port), "build_info") == len(ROLES)


def test_the_page_is_clean_in_both_formats(url: str, port: int) -> None:
    fields = {"Accept": "application/openmetrics-text;version=1.0.0"}  # as Prometheus asks
    page = httpx.get(f"http://127.0.0.1:{port}/metrics", headers=fields, timeout=30, trust_env=False)
    assert page.headers["content-type"].startswith("application/openmetrics-text")
    assert {"gridpress_renders", "gridpress_role_up"} <= {family.name for family in open_metrics(page.text)}
    if promtool := shutil.which("promtool"):
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30, trust_env=False).text
        checked = subprocess.run(
            [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_a_role_that_hangs_is_left_out_and_holds_up_nothing(url: str, folder: Path, port: int) -> None:
    pid = int((folder / "run" / "delivery-0.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        assert total(samples(port), "role_up", role="delivery-0") == 0
        assert not [one for one in samples(port) if one.labels["role"] == "delivery-0" and "role_up" not in one.name]
        assert total(samples(port), "role_up") == len(ROLES) - 1
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: total(samples(port), "role_up") == len(ROLES))


def test_the_address_is_said_at_the_start(url: str, folder: Path, port: int) -> None:
    assert f"Metrics of all roles: http://127.0.0.1:{port}/metrics" in (folder / "run" / "up.log").read_text()


def test_a_port_that_is_taken_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        arguments = ["up", "--port", str(free_ports(1)[0]), "--metrics-port", str(taken), "--data", str(tmp_path)]
        result = CliRunner().invoke(main, arguments)
    expected = f"gridpress: port {taken} is taken: name another one with --metrics-port\n"
    assert (result.exit_code, result.stderr) == (3, expected)


def test_the_same_metric_of_two_roles_is_one_family() -> None:
    ports = {}
    for role in ("ar-0", "ar-1"):
        registry = CollectorRegistry()
        Counter("work_total", "work", registry=registry).inc(2)
        listener = listen("127.0.0.1", 0)
        ports[role] = listener.getsockname()[1]
        serve(listener, registry)
    text = generate_latest(combined_page(ports)).decode()
    assert text.count("# TYPE work_total counter") == 1
    assert 'work_total{role="ar-0"} 2.0' in text
    assert 'work_total{role="ar-1"} 2.0' in text
    assert 'gridpress_role_up{role="ar-1"} 1.0' in text


def test_a_role_that_answers_nonsense_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nonsense:
        page = combined_page({"ar-0": nonsense.getsockname()[1]})
        page_text = generate_latest(page).decode()
    assert 'gridpress_role_up{role="ar-0"} 0.0' in page_text
