"""The API as it is served: by processes of its own, asked by httpx and by hand."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from queue import Queue as Mailbox

import httpx
import pytest
from pydantic import SecretStr

from cli.stack.servers.seaweedfs import S3Endpoint
from shared.ids import DEFAULT_TENANT
from shared.jobs.states import Stage
from shared.objects.store import ObjectStore
from shared.process.starting import EXIT_MISCONFIGURED
from shared.settings.settings import Settings
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import LeaseStore
from tests.api.pictures import data_url, png
from tests.api.processes import Served, environment, served, start
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_picture, a_prior, submitted

MAX_BODY_BYTES = 100_000
TIMEOUT_S = 30
PROBLEM = b"application/problem+json"


def settings_of(s3: S3Endpoint, folder: Path) -> Settings:
    secret = SecretStr(s3.secret_key)
    return Settings(s3_endpoint_url=s3.url, s3_access_key=s3.access_key, s3_secret_key=secret, data_dir=folder)


@pytest.fixture(scope="module")
def api(s3: S3Endpoint, empty_valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = settings_of(s3, tmp_path_factory.mktemp("api"))
    with served(settings, empty_valkey_url, MAX_BODY_BYTES=MAX_BODY_BYTES, S3_LINKS="presigned") as api:
        yield api


@pytest.fixture(scope="module")
def hasty_api(s3: S3Endpoint, empty_valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One that has no patience, and three connections."""
    settings = settings_of(s3, tmp_path_factory.mktemp("api"))
    changes = {"RECEIVE_TIMEOUT_S": 0.5, "IDLE_TIMEOUT_S": 1.0, "API_CONNECTIONS": 3, "API_PROCESSES": 1}
    with served(settings, empty_valkey_url, **changes) as api:
        yield api


@pytest.fixture
def http(api: Served, client: Client) -> Iterator[httpx.Client]:
    with api.client() as http:
        yield http


def connected(api: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", api.port), timeout=TIMEOUT_S)


def rest(connection: socket.socket) -> bytes:
    """Until the server closes the connection."""
    try:
        return b"".join(iter(lambda: connection.recv(4096), b""))
    except ConnectionResetError:
        return b""


def said_to(api: Served, request: bytes) -> bytes:
    with connected(api) as connection:
        connection.sendall(request)
        return rest(connection)


def test_a_job_is_accepted_read_and_cancelled(http: httpx.Client) -> None:
    accepted = http.post("/v1/jobs", json={"prompt": "雪山", "images": [data_url(png())]})
    assert accepted.status_code == 202
    job = accepted.json()
    assert accepted.headers["location"].endswith(f"/v1/jobs/{job['id']}")
    assert http.get(f"/v1/jobs/{job['id']}").json()["prompt"] == "雪山"
    assert http.post(f"/v1/jobs/{job['id']}/cancel").json()["status"] == "cancelled"


def test_multipart_arrives(http: httpx.Client) -> None:
    files = [("image", ("a.png", png())), ("image", ("b.png", png(520, 520)))]
    answer = http.post("/v1/jobs", data={"prompt": "a", "size": "256x256"}, files=files)
    assert answer.status_code == 202, answer.text
    assert answer.json()["num_condition_images"] == 2


def chunks_of(num_bytes: int) -> Iterator[bytes]:
    for sent in range(0, num_bytes, 4096):
        yield b" " * min(4096, num_bytes - sent)


@pytest.mark.parametrize("excess", [1, 3 * MAX_BODY_BYTES])  # read to its end, and given up
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_over_the_limit_is_refused_however_it_is_sent(http: httpx.Client, is_chunked: bool, excess: int) -> None:
    size = MAX_BODY_BYTES + excess
    body = chunks_of(size) if is_chunked else b" " * size
    answer = http.post("/v1/jobs", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "payload_too_large"


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_at_the_limit_is_read(http: httpx.Client, is_chunked: bool) -> None:
    body = chunks_of(MAX_BODY_BYTES) if is_chunked else b" " * MAX_BODY_BYTES
    answer = http.post("/v1/jobs", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


HOST = b"Host: localhost\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost localhost\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n: localhost\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHo st: localhost\r\n\r\n", 400),
        (b"GET /healthz\r\n\r\n", 400),
        (b"GET /healthz HTTP/9.1\r\n" + HOST + b"\r\n", 400),
        (b"GET /healthz HTTP/one\r\n" + HOST + b"\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),  # TLS
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 100_000 + b"\r\n\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 200 + b"\r\n", 431),
        (b"POST /v1/jobs HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
        (b"POST /v1/jobs HTTP/1.1\r\n" + HOST + b"Content-Length: +1\r\n\r\n{", 400),
        (b"POST /v1/jobs HTTP/1.1\r\n" + HOST + b"Content-Length: 1_0\r\n\r\n{", 400),
        (b"POST /v1/jobs HTTP/1.1\r\n" + HOST + b"Content-Length: many\r\n\r\n{", 400),
        (b"POST /v1/jobs HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400),
        (b"POST /v1/jobs HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /v1/jobs HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", 400),
    ],
)
def test_what_is_not_http_is_a_problem(api: Served, request_bytes: bytes, status: int) -> None:
    answer = said_to(api, request_bytes)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert PROBLEM in answer
    assert b'"status":%d' % status in answer


@pytest.mark.parametrize("body", [b"zz\r\n{}\r\n", b"2\r\n{}xy", b"f" * 20 + b"\r\n"])
def test_broken_chunks_are_a_problem(api: Served, body: bytes) -> None:
    fields = HOST + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    head = b"POST /v1/jobs HTTP/1.1\r\n" + fields + b"\r\n"
    answer = said_to(api, head + body)
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert PROBLEM in answer


def drip(connection: socket.socket, head: bytes, drop: bytes) -> bytes:
    """Sends `drop` again and again until the server has enough; answers what it said."""
    connection.sendall(head)
    connection.settimeout(0.05)
    end = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end:
        try:
            connection.sendall(drop)
            return connection.recv(65536)
        except TimeoutError:
            continue
        except ConnectionError:
            return b""
    raise AssertionError("it is still listening")


def test_a_head_at_a_drip_is_cut(hasty_api: Served) -> None:
    with connected(hasty_api) as connection:
        answer = drip(connection, b"GET /healthz HTTP/1.1\r\n", b"X: a\r\n")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert PROBLEM in answer


def test_a_body_at_a_drip_is_cut(hasty_api: Served) -> None:
    head = b"POST /v1/jobs HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nContent-Length: 9999\r\n\r\n"
    with connected(hasty_api) as connection:
        answer = drip(connection, head, b" ")
        answer += rest(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert PROBLEM in answer
    assert answer.count(b"HTTP/1.1") == 1


def test_an_unused_connection_is_closed(hasty_api: Served) -> None:
    with connected(hasty_api) as fresh:
        assert rest(fresh) == b""
    with connected(hasty_api) as used:
        used.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
        assert rest(used).startswith(b"HTTP/1.1 200 ")


def test_connections_beyond_the_bound_wait_to_be_let_in(hasty_api: Served, store: JobStore) -> None:
    path = f"/v1/jobs/{submitted(store).job_id}/events".encode()
    asked = b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n"
    held: list[socket.socket] = []
    for _ in range(3):
        held.append(connected(hasty_api))
        connection = held[-1]
        connection.sendall(asked)
        assert b"event-stream" in connection.recv(4096)
    with connected(hasty_api) as late:
        late.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        late.settimeout(0.2)
        with pytest.raises(TimeoutError):
            late.recv(1)
        held.pop().close()
        late.settimeout(TIMEOUT_S)
        assert rest(late).startswith(b"HTTP/1.1 200 ")
    for connection in held:
        connection.close()


def test_more_connections_than_files_are_refused_at_the_start(s3_settings: Settings, valkey_url: str) -> None:
    process = start(environment(s3_settings, REDIS_URL=valkey_url, PORT=0, API_CONNECTIONS=2**40))
    _, text = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == EXIT_MISCONFIGURED
    assert "GRIDPRESS_API_CONNECTIONS" in text


def test_a_pipelined_request_is_no_client_that_left(http: httpx.Client, api: Served, store: JobStore) -> None:
    job = submitted(store)
    asked = b"GET /v1/jobs/%s/events HTTP/1.1\r\n" % job.job_id.encode() + HOST + b"\r\n"
    with connected(api) as connection:
        connection.sendall(asked + b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        text = b""
        while b"job.queued" not in text:
            text += connection.recv(4096)
        store.cancel(job.job_id, DEFAULT_TENANT)
        text += rest(connection)
    assert b"event: job.cancelled" in text
    assert b"HTTP/1.1 200 OK" in text


def test_a_foreign_host_is_refused(http: httpx.Client) -> None:
    assert http.get("/v1/webhooks/secret", headers={"host": "evil.example"}).status_code == 403
    assert http.get("/v1/webhooks/secret").status_code == 200


def test_events_come_while_the_job_is_under_way(http: httpx.Client, store: JobStore, client: Client) -> None:
    job = submitted(store)
    with http.stream("GET", f"/v1/jobs/{job.job_id}/events") as answer:
        lines = answer.iter_lines()
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert next(line for line in lines if line.startswith("event")) == "event: job.queued"
        LeaseStore(client, RULES).claim(Stage.AR, REVISION, WORKER_ID)
        assert next(line for line in lines if line.startswith("event")) == "event: render.stage"
        store.cancel(job.job_id, DEFAULT_TENANT)
        assert [line for line in lines if line.startswith("event")][-1] == "event: job.cancelled"


def test_a_finished_picture_is_followed_to_the_object_store(
    http: httpx.Client, objects: ObjectStore, store: JobStore, client: Client
) -> None:
    job, leases, picture, data = submitted(store), LeaseStore(client, RULES), a_picture(), png()
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    leases.finish_prior(claim.lease, a_prior())
    claim = leases.claim(Stage.DIT, REVISION, WORKER_ID)
    assert claim
    objects.put(picture.key, data, picture.content_type)
    leases.finish_picture(claim.lease, replace(picture, num_bytes=len(data)))

    redirect = http.get(f"/v1/jobs/{job.job_id}/images/0")
    assert redirect.status_code == 302
    assert http.get(f"/v1/jobs/{job.job_id}/images/0", follow_redirects=True).content == data


def test_bad_requests_do_not_fail_their_neighbours(http: httpx.Client) -> None:
    outcomes: Mailbox[tuple[int, int]] = Mailbox()
    bodies = [(400, b"{"), (202, b'{"prompt": "a"}'), (413, b" " * (MAX_BODY_BYTES + 1)), (202, b'{"prompt": "b"}')] * 4

    def send(expected: int, body: bytes) -> None:
        answer = http.post("/v1/jobs", content=body, headers={"content-type": "application/json"})
        outcomes.put((expected, answer.status_code))

    threads = [threading.Thread(target=send, args=pair) for pair in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_S)
    found = [outcomes.get_nowait() for _ in threads]
    assert [status for _, status in found] == [expected for expected, _ in found]


def connect_until_refused(port: int) -> None:
    while True:
        socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S).close()


def test_a_stopping_server_answers_what_it_has_taken_and_takes_no_more(
    s3_settings: Settings, valkey_url: str, client: Client
) -> None:
    body = b'{"prompt": "a red kite"}'
    fields = b"Content-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n" % len(body)
    with served(s3_settings, valkey_url) as api, connected(api) as unused, connected(api) as connection:
        connection.sendall(b"POST /v1/jobs HTTP/1.1\r\n" + HOST + fields + b"\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")  # it reads
        api.stop()
        with pytest.raises(ConnectionError):
            connect_until_refused(api.port)
        assert rest(unused) == b""
        assert api.process.poll() is None
        connection.sendall(body)
        assert rest(connection).startswith(b"HTTP/1.1 202 ")
        assert api.process.wait(TIMEOUT_S) == 0


def test_what_outlives_the_grace_period_is_cut(s3_settings: Settings, valkey_url: str, client: Client) -> None:
    fields = b"Content-Type: application/json\r\nContent-Length: 9\r\nExpect: 100-continue\r\n"
    with served(s3_settings, valkey_url, DRAIN_GRACE_S=0.2) as api, connected(api) as connection:
        connection.sendall(b"POST /v1/jobs HTTP/1.1\r\n" + HOST + fields + b"\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
        api.stop()
        assert api.process.wait(TIMEOUT_S) == 0


def test_a_taken_port_is_said_in_words(api: Served, s3_settings: Settings, valkey_url: str) -> None:
    process = start(environment(s3_settings, REDIS_URL=valkey_url, PORT=api.port))
    _, text = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == EXIT_MISCONFIGURED
    assert f"port {api.port}" in text


PROBLEM_FIELDS = {"type", "title", "status", "detail", "instance", "code", "field", "retryable", "errors", "error"}
SHAPES = {
    "/v1/images/generations": {"error"},
    "/v1/chat/completions": {"error"},
    "/paas/v4/images/generations": {"error"},
    "/v1/jobs": PROBLEM_FIELDS,
    "/": PROBLEM_FIELDS,
}


@pytest.mark.parametrize("path", SHAPES)
@pytest.mark.parametrize(
    ("query", "fields", "status"),
    [(b"a" * 100_000, b"", 414), (b"", b"a b: c\r\n", 400), (b"", b"a: b\r\n" * 1000, 431)],
    ids=["line", "field", "head"],
)
def test_what_no_route_sees_is_refused_in_the_shape_of_its_door(
    api: Served, path: str, query: bytes, fields: bytes, status: int
) -> None:
    line = b"POST " + path.encode() + b"?" + query + b" HTTP/1.1\r\n"
    head, _, body = said_to(api, line + HOST + fields + b"\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nx-request-id: req_" in head
    told = json.loads(body)
    assert set(told) == SHAPES[path]
    assert ("reason" in told.get("error", ())) == path.startswith("/paas")
    assert told.get("instance", path) == path


def test_a_refusal_names_no_path_of_the_request_before(api: Served) -> None:
    with connected(api) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\n" + HOST + b"\r\nnonsense\r\n\r\n")
        _, _, body = rest(connection).rpartition(b"\r\n\r\n")
    assert json.loads(body)["instance"] == "/"


def test_a_small_answer_is_one_packet(api: Served) -> None:
    with connected(api) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
        head, _, body = connection.recv(65_536).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert json.loads(body)


@pytest.mark.attack
def test_strangers_who_read_nothing_of_large_pages_keep_nobody_out(
    s3: S3Endpoint, valkey_url: str, tmp_path: Path
) -> None:
    changes = {"API_CONNECTIONS": 5, "API_PROCESSES": 1}
    ask = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100  # more than the system holds for a reader
    with served(settings_of(s3, tmp_path), valkey_url, **changes) as api, ExitStack() as held:
        for _ in range(5):
            stranger = held.enter_context(socket.create_connection(("127.0.0.1", api.port), TIMEOUT_S))
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stranger.sendall(ask)
        with api.client() as http:
            assert http.get("/healthz", timeout=TIMEOUT_S).status_code == 200
