"""Several processes serve on one port: one that dies is replaced, none is left behind, and a stop is orderly."""

import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from cli.stack.servers.seaweedfs import S3Endpoint
from cli.stack.servers.valkey import Valkey
from shared.settings.settings import Settings
from shared.store.core.connect import Client
from tests.api.processes import TIMEOUT_S, Served, served
from tests.api.server.test_server import settings_of
from tests.cli.waiting import eventually, is_alive

pytestmark = pytest.mark.attack

NUM = 2
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def lasting_api(s3: S3Endpoint, empty_valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An API whose parent no test ends."""
    with served(settings_of(s3, tmp_path_factory.mktemp("api")), empty_valkey_url, API_PROCESSES=NUM) as api:
        eventually(lambda: len(processes(api)) == NUM)
        yield api


@pytest.fixture
def api(s3: S3Endpoint, valkey_url: str, client: Client, tmp_path: Path) -> Iterator[Served]:
    with served(settings_of(s3, tmp_path), valkey_url, API_PROCESSES=NUM) as api:
        eventually(lambda: len(processes(api)) == NUM)
        yield api


def processes(api: Served) -> set[int]:
    """Process ids of those that serve."""
    with suppress(psutil.NoSuchProcess):
        return {child.pid for child in psutil.Process(api.process.pid).children()}
    return set()


def begun_body(port: int, num_bytes: int) -> socket.socket:
    """A request whose body is announced and does not come."""
    connection = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
    head = f"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {num_bytes}"
    connection.sendall(head.encode() + b"\r\n\r\n")
    connection.setblocking(False)
    return connection


def is_refused(connection: socket.socket) -> bool:
    try:
        return b" 503 " in connection.recv(4096, socket.MSG_PEEK)
    except BlockingIOError:
        return False


def answers(api: Served) -> bool:
    with suppress(httpx.TransportError), api.client() as http:
        return http.get("/healthz").status_code == 200
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_process_that_dies_is_replaced_and_the_others_serve_meanwhile(
    lasting_api: Served, number: signal.Signals
) -> None:
    api = lasting_api
    before = processes(api)
    for pid in before:
        psutil.Process(pid).send_signal(number)
    eventually(lambda: len(processes(api)) == NUM and not processes(api) & before)
    eventually(lambda: answers(api))
    assert api.process.poll() is None


def test_bodies_count_in_all_processes_together_and_those_of_a_killed_one_no_more(
    s3: S3Endpoint, valkey_url: str, client: Client, tmp_path: Path
) -> None:
    with served(settings_of(s3, tmp_path), valkey_url, API_PROCESSES=NUM, MAX_HELD_BYTES=4 * MIB) as api:
        eventually(lambda: len(processes(api)) == NUM)
        for _ in range(2):
            with ExitStack() as held:
                bodies = [held.enter_context(begun_body(api.port, 3 * MIB // 2)) for _ in range(8)]
                eventually(lambda bodies=bodies: sum(map(is_refused, bodies)) == 7)  # two are over a tenant's half
                before = processes(api)
                for pid in before:
                    psutil.Process(pid).kill()
                eventually(lambda before=before: len(processes(api)) == NUM and not processes(api) & before)
                eventually(lambda: answers(api))


def test_a_parent_that_is_killed_leaves_nobody_on_its_port(api: Served) -> None:
    children = processes(api)
    api.process.kill()
    eventually(lambda: not any(is_alive(pid) for pid in children))
    eventually(lambda: not accepts(api.port))


def test_a_process_that_dies_during_an_outage_is_there_again_after_it(
    s3_settings: Settings, tmp_path: Path, client: Client
) -> None:
    store = Valkey(tmp_path / "store")
    url = store.start()
    with served(s3_settings, url, API_PROCESSES=1) as api:
        try:
            store.stop()
            [pid] = processes(api)
            psutil.Process(pid).kill()
            eventually(lambda: len(processes(api) - {pid}) == 1)
            store.start()
            eventually(lambda: answers(api))
        finally:
            store.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_what_the_first_only_asked_to(api: Served, number: signal.Signals) -> None:
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n"
    with socket.create_connection(("127.0.0.1", api.port), timeout=TIMEOUT_S) as connection:
        connection.sendall(head + b"Expect: 100-continue\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
        api.process.send_signal(number)
        eventually(lambda: not accepts(api.port))
        assert api.process.poll() is None
        api.process.send_signal(number)
        assert api.process.wait(TIMEOUT_S) == 0


def accepts(port: int) -> bool:
    with suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S):
        return True
    return False
