"""Tracing costs nothing while it is off, and a receiver that is away or hangs holds nobody up."""

import json
import os
import socket
import subprocess
import sys
from typing import Any

import pytest

from shared.settings.settings import Settings
from shared.store.core.connect import Client
from tests.api.processes import served
from tests.story.collector import collecting

LIMIT_S = 60.0  # far less than an exporter waits for its receiver here

_OFF = """
import sys
from shared.tracing.spans import begin_span, flush_traces, start_tracing
start_tracing("ar")
assert begin_span("x") is None
flush_traces()
print(any(name.startswith(("opentelemetry", "google.protobuf")) for name in sys.modules))
"""
_ON = """
from shared.process.logs import configure_logs
from shared.process.background import _process, end_role_with_its_threads
from shared.process.starting import run_role
from shared.tracing.spans import begin_span, start_tracing
from workers.consumer.serving import abandon_process, leave_process
configure_logs("ar", "json")
start_tracing("ar")
end_process = lambda: _process.end_role()
for number in range({count}):
    begin_span("x").end({{"n": number}})
print(number + 1, flush=True)
{end}
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nothing_is_imported_while_tracing_is_off(environment: dict[str, str]) -> None:
    done = run(_OFF, **environment)
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.parametrize("role", ["api.wsgi", "workers.stage.worker", "workers.delivery.main", "workers.batches.main"])
def test_no_role_imports_what_makes_or_exports_spans(role: str) -> None:
    """redis-py imports the API of metrics by itself, where that is installed."""
    code = f"import json, sys, {role}; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(run(code).stdout)
    assert role in loaded
    ours = ("opentelemetry.exporter", "opentelemetry.sdk.trace", "google.protobuf", "shared.tracing.otel")
    assert [name for name in loaded if name.startswith(ours)] == []


@pytest.mark.parametrize(
    ("end", "status", "is_hanging"),
    [("leave_process()", 0, True), ("abandon_process(None)", 75, True), ("leave_process()", 0, False), ("", 0, True)],
)
def test_a_receiver_that_is_away_or_hangs_holds_nobody_up(end: str, status: int, is_hanging: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # nobody ever reads what comes in
        port = server.getsockname()[1] if is_hanging else 1
        receiver = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_EXPORTER_OTLP_TIMEOUT": "1000"}
        done = run(_ON.format(end=end, count=5_000), **receiver)
    assert (done.returncode, done.stdout.strip()) == (status, "5000"), done.stderr
    assert all(line.startswith("{") for line in done.stderr.splitlines()), done.stderr


ENDS = ["leave_process()", "abandon_process(None)", "run_role('ar', lambda _: None)"]


@pytest.mark.parametrize("end", [*ENDS, "end_role_with_its_threads(None); end_process()"])
def test_what_has_ended_is_exported_before_the_process_ends(end: str) -> None:
    with collecting() as collector:
        receiver = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "3600000"}
        done = run(_ON.format(end=end, count=3), **receiver)
        assert [span.name for span in collector.spans] == ["x"] * 3, done.stderr
        assert {span.service for span in collector.spans} == {"gridpress-ar"}


def test_an_api_process_exports_its_last_requests_when_it_stops(
    s3_settings: Settings, valkey_url: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
        with served(s3_settings, valkey_url, API_PROCESSES=1) as api, api.client() as client:
            assert client.get("/v1/jobs").status_code == 200
            assert client.get("/healthz").status_code == 200
            api.stop()
            api.process.wait(LIMIT_S)
        assert [(span.service, span.name) for span in collector.spans] == [("gridpress-api", "GET /v1/jobs")]


def test_where_the_extra_is_not_installed_one_line_says_so() -> None:
    code = """
import sys
sys.modules["opentelemetry"] = None
from shared.process.logs import configure_logs
from shared.tracing.spans import begin_span, start_tracing
configure_logs("ar", "json")
start_tracing("ar")
print(begin_span("x"))
"""
    done = run(code, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    line: dict[str, Any] = json.loads(done.stderr)
    assert (done.stdout.strip(), line["event"]) == ("None", "tracing.not_installed")
