"""The API as it is served: waitress on a free port, in a thread, asked by httpx."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from queue import Queue as Mailbox

import httpx
import pytest

from api.app import create_app
from api.server import serve
from api.services import Services
from shared.egress.images import ImageFetcher
from shared.errors import Misconfigured
from shared.ids import DEFAULT_TENANT
from shared.objects import ObjectStore
from shared.settings import Settings
from shared.states import Stage
from shared.store.capacity import Capacity
from shared.store.connect import Client
from shared.store.dead_letters import DeadLetterStore
from shared.store.durability import Durability
from shared.store.jobs import JobStore
from shared.store.key_ring import KeyRing
from shared.store.keys import KeyStore
from shared.store.leases import LeaseStore
from shared.store.rate_limits import RateLimits
from tests.api.conftest import SECRET, CountedHints
from tests.api.pictures import data_url, png
from tests.store.builders import REVISION, RULES, WORKER_ID, a_picture, a_prior, submitted

MAX_BODY_BYTES = 100_000
TIMEOUT_S = 30


@pytest.fixture
def house(
    client: Client, store: JobStore, objects: ObjectStore, s3_settings: Settings, hints: CountedHints
) -> Services:
    settings = s3_settings.model_copy(update={"max_body_bytes": MAX_BODY_BYTES, "api_threads": 8, "port": 0})
    letters, capacity = DeadLetterStore(client), Capacity(client, settings)
    keys, rate_limits = KeyRing(KeyStore(client), ttl_s=0), RateLimits(client)
    durability, fetcher = Durability("always", 0.0), ImageFetcher.of(settings)
    return Services(settings, store, letters, objects, hints, SECRET, capacity, durability, fetcher, keys, rate_limits)


class Served:
    """The server in its thread. `port` is known once it listens."""

    def __init__(self, house: Services) -> None:
        ports: Mailbox[int] = Mailbox()
        args = (create_app(house), house.settings, house.stopping, ports.put)
        self.thread = threading.Thread(target=serve, args=args)
        self.thread.start()
        self.port = ports.get(timeout=TIMEOUT_S)


@pytest.fixture
def served(house: Services) -> Iterator[Served]:
    served = Served(house)
    yield served
    house.stopping.set()
    served.thread.join(TIMEOUT_S)
    assert not served.thread.is_alive()


@pytest.fixture
def http(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{served.port}", timeout=TIMEOUT_S, trust_env=False) as client:
        yield client


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
    for start in range(0, num_bytes, 4096):
        yield b" " * min(4096, num_bytes - start)


@pytest.mark.parametrize("excess", [1, 3 * MAX_BODY_BYTES])  # refused by the app, refused by waitress
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


def test_broken_http_is_a_problem(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=TIMEOUT_S) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost localhost\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400 ") or answer.startswith(b"HTTP/1.0 400 ")
    assert b"application/problem+json" in answer


def test_a_foreign_host_is_refused(http: httpx.Client) -> None:
    assert http.get("/v1/webhooks/secret", headers={"host": "evil.example"}).status_code == 403
    assert http.get("/v1/webhooks/secret").json() == {"secret": SECRET}


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


def test_a_client_that_leaves_its_stream_gives_the_thread_back(
    http: httpx.Client, house: Services, store: JobStore
) -> None:
    path = f"/v1/jobs/{submitted(store).job_id}/events"
    for _ in range(house.settings.api_threads // 2):
        with http.stream("GET", path) as answer:
            next(answer.iter_lines())
            assert answer.status_code == 200
    assert house.streams.acquire(timeout=TIMEOUT_S)
    house.streams.release()


def test_a_finished_picture_is_followed_to_the_object_store(
    http: httpx.Client, house: Services, store: JobStore, client: Client
) -> None:
    job, leases, picture, data = submitted(store), LeaseStore(client, RULES), a_picture(), png()
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    leases.finish_prior(claim.lease, a_prior())
    claim = leases.claim(Stage.DIT, REVISION, WORKER_ID)
    assert claim
    house.objects.put(picture.key, data, picture.content_type)
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
    served: Served, http: httpx.Client, house: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def slow_check(_: JobStore) -> None:
        reached.set()
        go_on.wait(TIMEOUT_S)

    monkeypatch.setattr(JobStore, "check", slow_check)
    answers: Mailbox[int] = Mailbox()
    asking = threading.Thread(target=lambda: answers.put(http.get("/readyz").status_code))
    asking.start()
    assert reached.wait(TIMEOUT_S)
    house.stopping.set()
    with pytest.raises(ConnectionError):
        connect_until_refused(served.port)
    assert served.thread.is_alive()
    go_on.set()
    assert answers.get(timeout=TIMEOUT_S) == 200
    asking.join(TIMEOUT_S)


def test_a_taken_port_is_said_in_words(served: Served, house: Services) -> None:
    settings = house.settings.model_copy(update={"port": served.port})
    with pytest.raises(Misconfigured, match=f"port {served.port}"):
        serve(create_app(house), settings, threading.Event(), lambda _: None)
