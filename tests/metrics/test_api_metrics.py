"""The metrics of an API of several processes, on their own port."""

import random
import socket
import string
from collections.abc import Iterator

import httpx
import psutil
import pytest

from cli.stack.ports import free_ports
from shared.settings import Settings
from shared.store.connect import Client
from tests.api.processes import Served, served
from tests.cli.waiting import eventually
from tests.metrics.reading import samples, total

_NUM_PROCESSES = 2
_NUM_PATHS = 2_000
_PROMPT = {"prompt": "a red fox", "width": 256, "height": 256}


@pytest.fixture(scope="module")
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def api(s3_settings: Settings, valkey_url: str, client: Client, port: int) -> Iterator[Served]:
    with served(s3_settings, valkey_url, API_PROCESSES=_NUM_PROCESSES, METRICS_PORT=port) as running:
        yield running


def _processes(api: Served) -> set[int]:
    return {child.pid for child in psutil.Process(api.process.pid).children()}


def test_two_processes_count_as_one_and_a_killed_one_takes_nothing_away(api: Served, port: int) -> None:
    for _ in range(20):
        with api.client() as client:  # a connection of its own, so that both processes serve some
            assert client.get("/healthz").status_code == 200
    assert total(port, "http_requests_total", route="/healthz") == 20
    before = _processes(api)
    for pid in before:
        psutil.Process(pid).kill()
    eventually(lambda: len(_processes(api) - before) == _NUM_PROCESSES)
    assert total(port, "http_requests_total", route="/healthz") == 20
    with api.client() as client:
        assert client.get("/healthz").status_code == 200
    assert total(port, "http_requests_total", route="/healthz") == 21
    assert total(port, "http_request_duration_seconds_count", route="/healthz") == 21
    assert total(port, "build_info") == 1


def test_the_connections_of_a_killed_process_are_counted_no_more(api: Served, port: int) -> None:
    held = [socket.create_connection(("127.0.0.1", api.port)) for _ in range(10)]
    try:
        eventually(lambda: total(port, "http_connections") == 10)
        for pid in _processes(api):
            psutil.Process(pid).kill()
        eventually(lambda: total(port, "http_connections") == 0)
    finally:
        for connection in held:
            connection.close()


@pytest.mark.attack
def test_what_clients_make_up_is_never_a_label(api: Served, port: int) -> None:
    draw = random.Random(15)

    def word() -> str:
        return "".join(draw.choices(string.ascii_letters + string.digits, k=12))

    def attack(client: httpx.Client, num: int) -> None:
        for _ in range(num):
            fields = {"Authorization": f"Bearer {word()}", "Idempotency-Key": word(), "x-request-id": word()}
            client.request(draw.choice(("GET", "POST", word())), f"/{word()}/{word()}?{word()}", headers=fields)
            client.request(draw.choice(("GET", "PUT", word())), f"/v1/jobs/{word()}", headers=fields)

    with api.client() as client:
        attack(client, 50)
        num_series = len(samples(port))
        attack(client, _NUM_PATHS // 2)
    assert len(samples(port)) <= num_series + 14 * 3  # a combination of known methods may have come late
    assert total(port, "http_requests_total") == 2 * (50 + _NUM_PATHS // 2)


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400", "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "431", "request_header_fields_too_large"),
        (b"MADEUP / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "501", "not_implemented"),
    ],
)
def test_a_request_refused_before_the_app_is_counted(
    api: Served, port: int, data: bytes, status: str, code: str
) -> None:
    with socket.create_connection(("127.0.0.1", api.port)) as client:
        client.sendall(data)
        assert client.recv(1024).startswith(f"HTTP/1.1 {status}".encode())
    eventually(lambda: total(port, "http_requests_total", route="unread", status=status) == 1)
    assert total(port, "http_refusals_total", code=code) == 1


def test_held_requests_and_streams_stay_out_of_the_latency(api: Served, port: int) -> None:
    with api.client() as client:
        job_id = client.post("/v1/jobs", json=_PROMPT).json()["id"]
        assert total(port, "jobs_submitted_total", door="native", priority="interactive") == 1
        with client.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
            lines = stream.iter_lines()  # kept: without it httpx closes the stream
            next(lines)
            assert total(port, "http_held_requests", kind="stream") == 1
        eventually(lambda: total(port, "http_held_requests", kind="stream") == 0)
        client.post("/v1/jobs", json=_PROMPT, headers={"Prefer": "wait=1"})
    assert total(port, "http_held_seconds_count") == 2
    assert total(port, "http_request_duration_seconds_count", route="/v1/jobs") == 1


def test_a_replay_is_counted(api: Served, port: int) -> None:
    with api.client() as client:
        for _ in range(2):
            client.post("/v1/jobs", json=_PROMPT, headers={"Idempotency-Key": "again"})
    assert total(port, "idempotent_replays_total") == 1
    assert total(port, "jobs_submitted_total") == 1


def test_the_public_port_has_no_metrics_and_the_metrics_port_no_api(api: Served, port: int) -> None:
    with api.client() as client:
        assert client.get("/metrics").status_code == 404
    assert httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).status_code == 404


@pytest.mark.attack
def test_scrapers_that_hang_hold_neither_requests_nor_the_end(api: Served, port: int) -> None:
    hanging = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
    try:
        with api.client() as client:
            assert client.get("/healthz").status_code == 200
        assert samples(port)
        api.stop()
        assert api.process.wait(10) == 0
    finally:
        for connection in hanging:
            connection.close()
