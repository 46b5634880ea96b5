"""A real Prometheus and a receiver of spans beside the stack: every panel has data, and a trace is whole."""

import os
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from tests.containers.engine import THERE, Engine
from tests.containers.load import OneEach
from tests.containers.stack import PROMETHEUS_PORT, RECEIVER_HOST, Stack, variables
from tests.observability.coverage import Source, wait_for_data
from tests.observability.files import rules
from tests.observability.traffic import _Receiver, traffic
from tests.story.collector import Collector, collecting

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]

_API = f"http://{THERE}:8000"
_OVERLAY = Path(__file__).parents[2] / "deploy" / "compose" / "observability.yaml"
_ROLES = ("api", "ar", "dit", "delivery", "batches", "upkeep")
_LIMIT_S = 180.0


@pytest.fixture(scope="module")
def spans() -> Iterator[Collector]:
    # Made before any namespace has the address, so it listens on all.
    with collecting("0.0.0.0") as collector:
        yield collector


@pytest.fixture(scope="module")
def observed(
    engine: Engine, settings_file: Path, spans: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("observed")
    endpoint = spans.url.replace("0.0.0.0", RECEIVER_HOST)
    file = folder / "spans.yaml"
    lines = [f"  {role}: {{environment: {{OTEL_EXPORTER_OTLP_ENDPOINT: {endpoint}}}}}" for role in _ROLES]
    file.write_text("services:\n" + "\n".join(lines) + "\n")
    stack = Stack(engine, folder, variables(), files=(_OVERLAY, settings_file, file))
    stack.down()
    stack.up("proxy", "prometheus", *_ROLES)
    yield stack
    stack.down()


@pytest.fixture
def with_key(observed: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every client of the traffic sends the first key."""
    key, plain = observed.secret("api_key"), httpx.Client
    monkeypatch.setenv("GRIDPRESS_API_KEY", key)
    authorised = {"Authorization": f"Bearer {key}"}
    monkeypatch.setattr(httpx, "Client", lambda **options: plain(headers=authorised, **options))


@pytest.fixture
def receiver_url() -> Iterator[str]:
    server = ThreadingHTTPServer((RECEIVER_HOST, 0), _Receiver)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{RECEIVER_HOST}:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_one_trace_leads_from_the_request_to_its_webhook(observed: Stack, spans: Collector) -> None:
    trace_id = os.urandom(16).hex()
    with OneEach(observed.secret("webhook_secret")) as receiver, observed.client() as client:
        headers = {"traceparent": f"00-{trace_id}-{os.urandom(8).hex()}-01"}
        body = {"prompt": "a mug", "size": "256x256", "webhook_url": receiver.url}
        job = client.post("/v1/jobs", json=body, headers=headers).raise_for_status().json()
        assert receiver.wait_for([job["id"]], 60) == 1
    wanted = {f"gridpress-{role}" for role in ("api", "ar", "dit", "delivery")}
    spans.wait_until(lambda: wanted <= {span.service for span in spans.of_trace(trace_id)})
    found = spans.of_trace(trace_id)
    ids = {span.span_id for span in found}
    [outside] = {span.parent_id for span in found} - ids - {""}
    assert outside == headers["traceparent"].split("-")[2], "a span in between is missing"


@pytest.mark.usefixtures("with_key")
def test_prometheus_has_data_for_every_panel_and_rule(observed: Stack, receiver_url: str, tmp_path: Path) -> None:
    with traffic(_API, receiver_url, tmp_path), Source(f"http://{THERE}:{PROMETHEUS_PORT}") as source:
        missing = wait_for_data(source, "1m", _LIMIT_S)
        assert not missing, "\n".join(f"{where}: {expr}" for where, expr in missing.items())
        assert source.num_rules() == len(rules())
        assert source.broken_rules() == []


def test_promtool_accepts_what_the_stack_mounts(observed: Stack) -> None:
    [container] = observed.containers("prometheus")
    shown = observed.docker("exec", container, "promtool", "check", "config", "/etc/prometheus/prometheus.yml")
    assert "SUCCESS" in shown
