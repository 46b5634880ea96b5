"""An API behind the real nginx and Caddy, with the configurations of `deploy/proxy/`."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from cli.stack.ports import free_ports
from shared.ids import TenantId
from shared.jobs.states import Stage
from shared.objects.store import ObjectStore
from shared.store.core.connect import Client, connect
from shared.store.renders.leases import LeaseStore
from tests.api.pictures import png
from tests.proxy.conftest import LIMIT_S, Behind, client, trusting
from tests.proxy.fronts import SUB_PATH, Front, running
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_picture, a_prior

TENANT = TenantId("acme")
SPOOFED = {
    "X-Forwarded-For": "1.1.1.1",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "ftp",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "for=1.1.1.1;host=evil.example",
}


@pytest.fixture
def store_client(empty_valkey_url: str) -> Iterator[Client]:
    with connect(empty_valkey_url) as found:
        yield found


def finish(store_client: Client, objects: ObjectStore, data: bytes) -> None:
    """Renders the job that waits, as two workers do."""
    leases = LeaseStore(store_client, RULES)
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    leases.finish_prior(claim.lease, a_prior())
    claim = leases.claim(Stage.DIT, REVISION, WORKER_ID)
    assert claim
    picture = replace(a_picture(), num_bytes=len(data))
    objects.put(picture.key, data, picture.content_type)
    leases.finish_picture(claim.lease, picture)


def test_a_picture_is_made_and_fetched_by_the_links_that_the_answers_hold(
    behind: Behind, store_client: Client, objects: ObjectStore
) -> None:
    made = behind.http.post("/v1/jobs", json={"prompt": "a"})
    assert made.status_code == 202, made.text
    assert made.headers["Location"].startswith(f"{behind.front.url}/v1/jobs/job_")
    finish(store_client, objects, png())
    job = behind.http.get(made.headers["Location"]).json()
    assert job["status"] == "succeeded"
    [image] = job["images"]
    picture = behind.http.get(image["url"])
    assert image["url"].startswith(behind.front.url)
    if not behind.front.url.endswith(SUB_PATH):  # presigned: leads to the object store, past the proxy
        assert picture.status_code == 302
        picture = httpx.get(picture.headers["Location"], trust_env=False)
    assert (picture.status_code, picture.content) == (200, png())


def test_events_arrive_one_by_one(behind: Behind) -> None:
    job = behind.http.post("/v1/jobs", json={"prompt": "a"}).json()
    with behind.http.stream("GET", job["links"]["events"]) as stream:
        lines = stream.iter_lines()
        # The job waits, and nobody works on it: had anything held the first event back, this would wait for ever.
        assert any(line.startswith("event: ") for line in lines)
        with client(behind.front) as other:
            other.post(job["links"]["cancel"], headers=behind.http.headers)
        assert "event: job.cancelled" in lines


def test_a_file_of_sixty_megabytes_goes_up(behind: Behind) -> None:
    data = {"file": ("prompts.jsonl", b"x" * 60_000_000)}
    answer = behind.http.post("/v1/files", files=data, data={"purpose": "user_data"})
    assert (answer.status_code, answer.json().get("bytes")) == (200, 60_000_000), answer.text


def test_a_body_over_the_limit_is_refused_in_the_apis_own_words(behind: Behind) -> None:
    answer = behind.http.post("/v1/files", files={"file": ("a", b"x" * 70_000_000)}, data={"purpose": "user_data"})
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "payload_too_large"


def test_whoever_sends_much_without_a_key_reads_why_it_is_refused(behind: Behind) -> None:
    with client(behind.front) as nobody:
        answer = nobody.post("/v1/files", files={"file": ("a", b"x" * 30_000_000)}, data={"purpose": "user_data"})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthorized"


def test_the_docs_page_loads_all_its_parts_and_the_document(behind: Behind) -> None:
    assert behind.http.get("/docs").status_code == 200
    for part in ("docs/swagger-ui.css", "docs/start.js"):
        assert behind.http.get(f"/{part}").status_code == 200
    assert behind.http.get("/openapi.json").json()["servers"] == [{"url": urlsplit(behind.front.url).path or "/"}]


def test_security_fields_are_the_apis_and_come_once(behind: Behind) -> None:
    fields = behind.http.get("/").headers
    for name in ("X-Content-Type-Options", "Content-Security-Policy", "Strict-Transport-Security", "Cache-Control"):
        assert len(fields.get_list(name)) == 1, name


def test_clients_may_speak_http_2(behind: Behind) -> None:
    context = trusting(behind.front)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", behind.front.port), LIMIT_S) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        assert secure.selected_alpn_protocol() == "h2"


class _Echo(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        said = json.dumps({"path": self.path, "fields": dict(self.headers.items())}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def echoing(front: Front, folder: Path) -> Iterator[httpx.Client]:
    """A client of the proxy before a server that answers what it was asked."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    other = replace(front, port=free_ports(1)[0])
    try:
        with running(other, server.server_port, folder), client(other) as http:
            yield http
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.attack
def test_what_a_client_says_of_itself_is_overwritten(front: Front, folder: Path) -> None:
    with echoing(front, folder) as http:
        asked = http.get("/v1/jobs", headers=SPOOFED).json()
        said = {name.lower(): value for name, value in asked["fields"].items()}
        host = f"{http.base_url.host}:{http.base_url.port}"
    assert said["x-forwarded-for"] == "127.0.0.1"
    assert (said["x-forwarded-host"], said["host"], said["x-forwarded-proto"]) == (host, host, "https")
    assert said.get("x-forwarded-prefix", "") == (SUB_PATH if front.url.endswith(SUB_PATH) else "")
    assert asked["path"] == "/v1/jobs"
    assert "forwarded" not in said
    assert not any(spoof in str(asked) for spoof in ("1.1.1.1", "evil"))


def test_the_api_learns_that_a_client_has_gone(front: Front, folder: Path) -> None:
    other = replace(front, port=free_ports(1)[0])
    with socket.create_server(("127.0.0.1", 0)) as api, running(other, api.getsockname()[1], folder):
        api.settimeout(LIMIT_S)
        caller = _call(other)
        connection, _ = api.accept()
        with connection:
            connection.settimeout(LIMIT_S)
            assert connection.recv(65536).startswith(b"GET ")
            caller.close()
            assert connection.recv(65536) == b""


def _call(front: Front) -> ssl.SSLSocket:
    """Sends a request and doesn't wait for its answer."""
    plain = socket.create_connection(("127.0.0.1", front.port), LIMIT_S)
    secure = trusting(front).wrap_socket(plain, server_hostname="127.0.0.1")
    path = f"{SUB_PATH if front.url.endswith(SUB_PATH) else ''}/v1/jobs"
    secure.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{front.port}\r\n\r\n".encode())
    return secure


def test_while_the_api_is_away_nginx_says_so_in_its_words(front: Front, folder: Path) -> None:
    if front.program != "nginx":
        pytest.skip("Caddy's own 502 is left as it is")
    other, nobody = (replace(front, port=port) for port in free_ports(2))
    with running(other, nobody.port, folder), client(other) as http:
        answer = http.get("/v1/jobs")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["retryable"] is True
