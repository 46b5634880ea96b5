"""Bodies as they come: none counts before it is whole, none is asked for from somebody who may not send it."""

import json
import socket
from collections.abc import Iterator

import pytest

from cli.stack.servers.seaweedfs import S3Endpoint
from shared.access.keys import Scope
from shared.ids import TenantId
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from tests.api.processes import Served, served
from tests.api.server.test_server import settings_of

pytestmark = pytest.mark.attack

TIMEOUT_S = 30
HOST = b"Host: localhost\r\n"
JOB = json.dumps({"prompt": "a red kite"}).encode()
FORM = b"--b\r\nContent-Disposition: form-data; name=purpose\r\n\r\nvision\r\n" + (
    b"--b\r\nContent-Disposition: form-data; name=file; filename=a.bin\r\n\r\n" + b"a" * 5_000 + b"\r\n--b--\r\n"
)
DOORS = {
    "/v1/jobs": (b"application/json", JOB),
    "/v1/images/generations": (b"application/json", JOB),
    "/v1/batches/validate": (b"application/jsonl", JOB + b"\n"),
    "/paas/v4/async/images/generations": (b"application/json", b'{"model": "glm-image", "prompt": "a"}'),
    "/v1/files": (b"multipart/form-data; boundary=b", FORM),
    "/v1/webhook_endpoints": (b"application/json", b'{"url": "https://example.com/"}'),
}
LISTS = ("/v1/jobs", "/v1/files", "/v1/webhook_endpoints")


@pytest.fixture(scope="module")
def api(s3: S3Endpoint, empty_valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = settings_of(s3, tmp_path_factory.mktemp("api"))
    with served(settings, empty_valkey_url, RECEIVE_TIMEOUT_S=1) as api:
        yield api


def head(path: str, content_type: bytes, framing: bytes, key: str = "") -> bytes:
    fields = HOST + b"Content-Type: " + content_type + b"\r\n" + framing
    fields += f"Authorization: Bearer {key}\r\n".encode() if key else b""
    return b"POST " + path.encode() + b" HTTP/1.1\r\n" + fields + b"\r\n"


def said_to(api: Served, sent: bytes, *, then_leaves: bool = False) -> bytes:
    with socket.create_connection(("127.0.0.1", api.port), timeout=TIMEOUT_S) as connection:
        connection.sendall(sent)
        if then_leaves:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("path", DOORS)
def test_a_body_that_is_cut_short_is_never_taken_as_whole(api: Served, path: str, is_chunked: bool) -> None:
    content_type, body = DOORS[path]
    framing = b"Transfer-Encoding: chunked\r\n" if is_chunked else b"Content-Length: %d\r\n" % (len(body) + 1)
    # What comes is a whole document: only the framing says that more was to come.
    sent = b"%x\r\n%s\r\n" % (len(body), body) if is_chunked else body
    answer = said_to(api, head(path, content_type, framing) + sent, then_leaves=True)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 "), answer
    with api.client() as http:
        assert [http.get(lists).json()["data"] for lists in LISTS] == [[]] * len(LISTS)


@pytest.mark.parametrize("path", DOORS)
def test_a_slow_body_is_a_timeout_at_every_door(api: Served, path: str) -> None:
    content_type, body = DOORS[path]
    answer = said_to(api, head(path, content_type, b"Content-Length: 9000\r\n") + body[:10])
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert b"Connection: close\r\n" in answer


def test_a_body_over_the_limit_in_chunks_is_refused_and_not_cut(
    s3: S3Endpoint, empty_valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = settings_of(s3, tmp_path_factory.mktemp("api"))
    with served(settings, empty_valkey_url, MAX_BODY_BYTES=1_000) as api:
        fitting = JOB + b" " * (1_000 - len(JOB))
        for body, status in ((fitting, 202), (fitting + b" ", 413)):
            sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
            framing = b"Connection: close\r\nTransfer-Encoding: chunked\r\n"
            answer = said_to(api, head("/v1/jobs", b"application/json", framing) + sent)
            assert answer.startswith(b"HTTP/1.1 %d " % status), answer


def test_who_sends_on_after_a_refusal_comes_to_read_it(api: Served) -> None:
    size = 30_000_000
    sent = head("/v1/nothing", b"application/json", b"Content-Length: %d\r\n" % size) + b" " * size
    answer = said_to(api, sent)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"Connection: close\r\n" in answer


def test_who_has_no_key_is_refused_before_the_body_is_asked_for(
    s3: S3Endpoint, valkey_url: str, client: Client, tmp_path_factory: pytest.TempPathFactory
) -> None:
    _, key = KeyStore(client).create(TenantId("acme"), [Scope.RENDER])
    with served(settings_of(s3, tmp_path_factory.mktemp("api")), valkey_url) as api:
        framing = b"Content-Length: %d\r\nExpect: 100-continue\r\n" % len(JOB)
        answer = said_to(api, head("/v1/jobs", b"application/json", framing, key="gp_nobody"))
        assert answer.startswith(b"HTTP/1.1 401 ")
        with socket.create_connection(("127.0.0.1", api.port), timeout=TIMEOUT_S) as connection:
            connection.sendall(head("/v1/jobs", b"application/json", framing, key=key))
            assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(JOB)
            assert connection.recv(4096).startswith(b"HTTP/1.1 202 ")
