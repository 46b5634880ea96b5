"""The metrics of an API of several processes, on their own port. A request is counted once its response is sent."""

import random
import socket
import string
from collections.abc import Callable, Iterator

import httpx
import psutil
import pytest

from cli.stack.ports import free_ports
from cli.stack.servers.seaweedfs import S3Endpoint
from shared.settings.settings import Settings
from tests.api.processes import TIMEOUT_S, Served, environment, served, start
from tests.api.server.test_server import settings_of
from tests.cli.waiting import eventually
from tests.shared.metrics.reading import samples, total

_NUM_PROCESSES = 2
_NUM_PATHS = 400
_PROMPT = {"prompt": "a red fox", "width": 256, "height": 256}

Grown = Callable[..., float]


@pytest.fixture(scope="module")
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def api(s3: S3Endpoint, empty_valkey_url: str, tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Served]:
    settings = settings_of(s3, tmp_path_factory.mktemp("api"))
    with served(settings, empty_valkey_url, API_PROCESSES=_NUM_PROCESSES, METRICS_PORT=port) as running:
        yield running


@pytest.fixture
def grown(api: Served, port: int) -> Grown:
    """By how much a count has grown since the test began."""
    before = samples(port)

    def grown(name: str, **labels: str) -> float:
        return total(samples(port), name, **labels) - total(before, name, **labels)

    return grown


def _gauge(port: int, name: str, **labels: str) -> float:
    return total(samples(port), name, **labels)


def _processes(api: Served) -> set[int]:
    return {child.pid for child in psutil.Process(api.process.pid).children()}


def _kill_all(api: Served) -> None:
    before = _processes(api)
    for pid in before:
        psutil.Process(pid).kill()
    eventually(lambda: len(_processes(api) - before) == _NUM_PROCESSES)


def test_two_processes_count_as_one_and_killed_ones_take_nothing_away(api: Served, port: int, grown: Grown) -> None:
    for _ in range(20):
        with api.client() as client:  # a connection of its own, so that both processes serve some
            assert client.get("/healthz").status_code == 200
    eventually(lambda: grown("http_requests_total", route="/healthz") == 20)
    _kill_all(api)
    assert grown("http_requests_total", route="/healthz") == 20
    with api.client() as client:
        assert client.get("/healthz").status_code == 200
    eventually(lambda: grown("http_requests_total", route="/healthz") == 21)
    eventually(lambda: grown("http_request_duration_seconds_count", route="/healthz") == 21)
    assert _gauge(port, "build_info") == 1


def test_the_connections_of_killed_processes_are_counted_no_more(api: Served, port: int) -> None:
    eventually(lambda: _gauge(port, "http_connections") == 0)
    held = [socket.create_connection(("127.0.0.1", api.port)) for _ in range(10)]
    try:
        eventually(lambda: _gauge(port, "http_connections") == 10)
        _kill_all(api)
        eventually(lambda: _gauge(port, "http_connections") == 0)
    finally:
        for connection in held:
            connection.close()


@pytest.mark.attack
def test_what_clients_make_up_is_never_a_label(api: Served, port: int, grown: Grown) -> None:
    draw = random.Random(15)

    def word() -> str:
        return "".join(draw.choices(string.ascii_letters + string.digits, k=12))

    def attack(client: httpx.Client, num: int) -> None:
        for _ in range(num // 2):
            fields = {"Authorization": f"Bearer {word()}", "Idempotency-Key": word(), "x-request-id": word()}
            client.request(draw.choice(("GET", "POST", word())), f"/{word()}/{word()}?{word()}", headers=fields)
            client.request(draw.choice(("GET", "PUT", word())), f"/v1/jobs/{word()}", headers=fields)

    with api.client() as client:
        attack(client, 100)  # every combination of known methods and routes comes up
        eventually(lambda: grown("http_requests_total") == 100)
        num_series = len(samples(port))
        attack(client, _NUM_PATHS)
    eventually(lambda: grown("http_requests_total") == 100 + _NUM_PATHS)
    assert len(samples(port)) == num_series


def test_requests_refused_before_the_app_are_counted(api: Served, grown: Grown) -> None:
    refused = {
        ("400", "bad_request"): b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        ("431", "request_header_fields_too_large"): b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        ("501", "not_implemented"): b"MADEUP / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    }
    for (status, code), data in refused.items():
        with socket.create_connection(("127.0.0.1", api.port)) as client:
            client.sendall(data)
            assert client.recv(1024).startswith(f"HTTP/1.1 {status}".encode())
        assert grown("http_requests_total", route="unread", status=status) == 1
        assert grown("http_refusals_total", code=code) == 1
    assert grown("http_requests_total", route="unread", method="GET") == 1
    assert grown("http_requests_total", route="unread", method="other") == 2  # made up, and never read to its end


def test_held_requests_and_streams_stay_out_of_the_latency(api: Served, port: int, grown: Grown) -> None:
    with api.client() as client:
        job_id = client.post("/v1/jobs", json=_PROMPT).json()["id"]
        assert grown("jobs_submitted_total", door="native", priority="interactive") == 1
        with client.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
            lines = stream.iter_lines()  # kept: without it httpx closes the stream
            next(lines)
            assert _gauge(port, "http_held_requests", kind="stream") == 1
        eventually(lambda: _gauge(port, "http_held_requests", kind="stream") == 0)
        client.post("/v1/jobs", json=_PROMPT, headers={"Prefer": "wait=1"})
    eventually(lambda: grown("http_held_seconds_count") == 2)
    eventually(lambda: grown("http_request_duration_seconds_count", route="/v1/jobs") == 1)


def test_a_replay_is_counted(api: Served, grown: Grown) -> None:
    with api.client() as client:
        for _ in range(2):
            client.post("/v1/jobs", json=_PROMPT, headers={"Idempotency-Key": "again"})
    assert grown("idempotent_replays_total") == 1
    assert grown("jobs_submitted_total") == 1


def test_the_public_port_has_no_metrics_and_the_metrics_port_no_api(api: Served, port: int) -> None:
    with api.client() as client:
        assert client.get("/metrics").status_code == 404
    assert httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).status_code == 404


def test_a_metrics_port_that_is_taken_is_a_setting_to_mend(
    s3_settings: Settings, empty_valkey_url: str, api: Served, port: int
) -> None:
    process = start(environment(s3_settings, REDIS_URL=empty_valkey_url, PORT=0, METRICS_PORT=port))
    _, said = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 78
    assert "GRIDPRESS_METRICS_PORT" in said.splitlines()[-1]


@pytest.mark.attack
def test_scrapers_that_hang_hold_neither_requests_nor_the_end(api: Served, port: int) -> None:
    """The last test of this API."""
    hanging = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
    try:
        with api.client() as client:
            assert client.get("/healthz").status_code == 200
        assert samples(port)
        api.stop()
        assert api.process.wait(30) == 0
    finally:
        for connection in hanging:
            connection.close()
