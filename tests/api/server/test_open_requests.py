"""A tenant has so many requests and streams open at once, in all processes together; others notice nothing."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from cli.stack.servers.seaweedfs import S3Endpoint
from shared.access.keys import Scope
from shared.access.limits import TenantLimits
from shared.ids import TenantId
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from tests.api.processes import TIMEOUT_S, Served, served
from tests.api.server.test_server import settings_of
from tests.cli.waiting import eventually

pytestmark = pytest.mark.attack

ACME, GLOBEX = TenantId("acme"), TenantId("globex")
NUM_CONNECTIONS, NUM_STREAMS, NUM_OF_THE_API = 8, 4, 40
SMALL = {"prompt": "a", "size": "256x256"}


@pytest.fixture(scope="module")
def api(s3: S3Endpoint, empty_valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limits = {"TENANT_CONNECTIONS": NUM_CONNECTIONS, "TENANT_STREAMS": NUM_STREAMS, "API_CONNECTIONS": NUM_OF_THE_API}
    settings = settings_of(s3, tmp_path_factory.mktemp("api"))
    with served(settings, empty_valkey_url, API_PROCESSES=2, **limits) as api:
        yield api


@dataclass(frozen=True)
class Tenant:
    """A caller with an API key. Its sockets are closed at the end of the test."""

    port: int
    key: str
    stack: ExitStack

    def open(self, method: str, path: str, *fields: str, body: bytes = b"") -> socket.socket:
        """Sends a request and reads nothing."""
        head = [
            f"{method} {path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            f"Authorization: Bearer {self.key}",
            *fields,
        ]
        opened = self.stack.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT_S))
        opened.sendall("\r\n".join((*head, "", "")).encode() + body)
        return opened

    def stream(self, kind: "Kind", job_id: str) -> socket.socket:
        """Opens an event stream, and returns when the server has begun it."""
        method, path, fields = kind
        body = json.dumps({**SMALL, "stream": True}).encode() if method == "POST" else b""
        length = (f"Content-Length: {len(body)}", "Content-Type: application/json") if body else ()
        opened = self.open(method, path.format(job=job_id), *fields, *length, body=body)
        text = b""
        while b": open" not in text:
            piece = opened.recv(4096)
            assert piece, text
            text += piece
        assert text.startswith(b"HTTP/1.1 200 "), text
        return opened

    def upload(self) -> socket.socket:
        """Begins a request whose body never comes."""
        return self.open("POST", "/v1/jobs", "Content-Type: application/json", "Content-Length: 5000", body=b"{")

    def wait(self) -> socket.socket:
        """Waits for a job that nobody renders."""
        body = json.dumps(SMALL).encode()
        fields = ("Content-Type: application/json", f"Content-Length: {len(body)}", f"Prefer: wait={TIMEOUT_S}")
        return self.open("POST", "/v1/jobs", *fields, body=body)

    def ask(self, method: str, path: str, **what: Any) -> httpx.Response:
        fields = {"Authorization": f"Bearer {self.key}", **what.pop("headers", {})}
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx.request(method, url, headers=fields, timeout=TIMEOUT_S, trust_env=False, **what)

    def submit(self) -> str:
        return str(self.ask("POST", "/v1/jobs", json=SMALL).raise_for_status().json()["id"])

    def num_open(self) -> int | None:
        """Returns the number of open requests, or None while this very question is one too many."""
        answer = self.ask("GET", "/v1/limits")
        return int(answer.json()["connections"]["used"]) if answer.status_code == 200 else None


Kind = tuple[str, str, tuple[str, ...]]
STREAMS: dict[str, Kind] = {
    "of all jobs": ("GET", "/v1/events", ()),
    "of a job": ("GET", "/v1/jobs/{job}/events", ()),
    "of pictures": ("POST", "/v1/images/generations", ()),
}


@pytest.fixture
def tenants(api: Served, client: Client) -> Iterator[tuple[Tenant, Tenant]]:
    with ExitStack() as stack:
        acme, globex = (
            Tenant(api.port, KeyStore(client).create(name, [Scope.ADMIN])[1], stack) for name in (ACME, GLOBEX)
        )
        eventually(lambda: acme.num_open() == 1)  # what an earlier test left open has ended
        yield acme, globex


def refusal(answer: httpx.Response, limit: str) -> dict[str, Any]:
    assert answer.status_code == 429, answer.text
    assert answer.headers["Content-Type"].startswith("application/")
    assert int(answer.headers["Retry-After"]) > 0
    assert limit in answer.text
    return dict(answer.json())


@pytest.mark.parametrize("kind", STREAMS)
def test_a_tenant_has_so_many_streams_and_another_one_its_own(tenants: tuple[Tenant, Tenant], kind: str) -> None:
    acme, globex = tenants
    jobs = {each: each.submit() for each in tenants}
    opened = [acme.stream(STREAMS[kind], jobs[acme]) for _ in range(NUM_STREAMS)]
    told = refusal(acme.ask("GET", f"/v1/jobs/{jobs[acme]}/events"), "streams")
    assert (told["code"], told["status"]) == ("tenant_limit_reached", 429)
    before = len(acme.ask("GET", "/v1/jobs?limit=100").json()["data"])
    refusal(acme.ask("POST", "/v1/images/generations", json={**SMALL, "stream": True}), "streams")
    assert len(acme.ask("GET", "/v1/jobs?limit=100").json()["data"]) == before  # nothing half done
    assert acme.ask("GET", "/v1/limits").json()["streams"] == {
        "limit": NUM_STREAMS,
        "used": NUM_STREAMS,
        "remaining": 0,
    }
    for _ in range(NUM_STREAMS):
        globex.stream(STREAMS[kind], jobs[globex])
    opened.pop().close()
    eventually(lambda: acme.ask("GET", "/v1/limits").json()["streams"]["remaining"] == 1)
    acme.stream(STREAMS[kind], jobs[acme])


@pytest.mark.parametrize("begin", [Tenant.upload, Tenant.wait], ids=["slow uploads", "waits"])
def test_a_tenant_has_so_many_requests_and_another_one_its_own(
    tenants: tuple[Tenant, Tenant], begin: Callable[[Tenant], socket.socket]
) -> None:
    acme, globex = tenants
    opened = [begin(acme) for _ in range(NUM_CONNECTIONS)]
    eventually(lambda: acme.num_open() is None)
    refusal(acme.ask("POST", "/v1/jobs", json=SMALL), "connections")
    assert [globex.ask("GET", "/v1/jobs").status_code for _ in range(10)] == [200] * 10
    assert globex.num_open() == 1
    for each in opened:
        each.close()
    eventually(lambda: acme.num_open() == 1)


def test_far_more_connections_than_the_api_has_keep_no_other_tenant_out(tenants: tuple[Tenant, Tenant]) -> None:
    acme, globex = tenants
    for number in range(3 * NUM_OF_THE_API):
        (acme.upload if number % 2 else acme.wait)()
    for _ in range(5):
        assert globex.ask("GET", f"/v1/jobs/{globex.submit()}").status_code == 200
        globex.stream(STREAMS["of all jobs"], "").close()


def test_however_a_request_ends_it_holds_nothing_afterwards(tenants: tuple[Tenant, Tenant]) -> None:
    acme, _ = tenants
    for _ in range(NUM_CONNECTIONS):
        assert acme.ask("GET", "/v1/jobs/none").status_code == 404
        assert acme.ask("GET", "/v1/nothing").status_code == 404
        assert acme.ask("DELETE", "/v1/limits").status_code == 405
        assert acme.ask("POST", "/v1/jobs", json={}).status_code == 400
        assert acme.ask("POST", "/v1/jobs", content=b"a", headers={"Content-Encoding": "br"}).status_code == 415
        assert acme.ask("HEAD", "/v1/events").status_code == 200
        acme.upload().close()
        acme.wait().close()
        acme.stream(STREAMS["of all jobs"], "").close()
    eventually(lambda: acme.num_open() == 1)
    assert acme.ask("GET", "/v1/limits").json()["streams"]["used"] == 0


def test_a_tenants_own_limits_replace_the_default(tenants: tuple[Tenant, Tenant], client: Client) -> None:
    globex = tenants[1]
    keys = KeyStore(client)
    keys.set_limits(ACME, TenantLimits(streams=1, connections=NUM_CONNECTIONS + 2))
    # Each process remembers the limits of a key for a second. None knows a new key.
    acme = replace(tenants[0], key=keys.create(ACME, [Scope.ADMIN])[1])
    assert acme.ask("GET", "/v1/limits").json()["streams"]["limit"] == 1
    acme.stream(STREAMS["of all jobs"], "")
    refusal(acme.ask("GET", "/v1/events"), "streams")
    for _ in range(NUM_CONNECTIONS):
        acme.upload()
    eventually(lambda: acme.num_open() == NUM_CONNECTIONS + 2)
    acme.upload()
    eventually(lambda: acme.num_open() is None)
    assert globex.ask("GET", "/v1/limits").json()["streams"]["limit"] == NUM_STREAMS
