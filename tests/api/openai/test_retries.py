"""A lost connection costs no second job: the client's retries go on with the one that its first try made."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import httpx
import openai
import pytest
from openai.types import ImagesResponse
from pydantic import SecretStr

from cli.stack.servers.seaweedfs import S3Endpoint
from shared.ids import DEFAULT_TENANT, JobId, ObjectKey, new_job_id
from shared.jobs.job import Job, Picture
from shared.jobs.states import Stage
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.core.connect import Client
from shared.store.idempotency.lost_responses import Expected, Held, UndeliveredStore
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import LeaseStore
from tests.api.pictures import png
from tests.api.processes import TIMEOUT_S, Served, served
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_prior

PATH, BODY = "/v1/images/generations", b'{"prompt": "a red kite", "size": "256x256"}'
RETRY = {"x-stainless-retry-count": "1", "Content-Type": "application/json"}
NO_FIELDS: Mapping[str, str] = {}
DATA = png(256, 256)


@pytest.fixture(scope="module")
def api(s3: S3Endpoint, empty_valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = Settings(
        s3_endpoint_url=s3.url,
        s3_access_key=s3.access_key,
        s3_secret_key=SecretStr(s3.secret_key),
        data_dir=tmp_path_factory.mktemp("api"),
    )
    with served(settings, empty_valkey_url) as api:
        yield api


@pytest.fixture
def http(api: Served, client: Client) -> Iterator[httpx.Client]:
    with api.client() as http:
        yield http


@pytest.fixture
def picture(objects: ObjectStore) -> Picture:
    """In the object store."""
    key = ObjectKey("jobs/x/a.png")
    objects.put(key, DATA, "image/png")
    return Picture(key, ObjectKey("jobs/x/a.json"), "0" * 64, len(DATA), "image/png")


def jobs(store: JobStore) -> list[Job]:
    return list(store.jobs(DEFAULT_TENANT, limit=50, after=None))


def until(is_so: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + TIMEOUT_S
    while not is_so():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


def finish(client: Client, picture: Picture) -> None:
    """Finishes all renders that wait."""
    leases = LeaseStore(client, RULES)
    while claim := leases.claim(Stage.AR, REVISION, WORKER_ID):
        leases.finish_prior(claim.lease, a_prior())
    while claim := leases.claim(Stage.DIT, REVISION, WORKER_ID):
        leases.finish_picture(claim.lease, picture)


def holds(client: Client) -> int:
    return len(list(client.scan_iter("gridpress:undelivered_by:*")))


def lost_try(
    api: Served,
    store: JobStore,
    path: str = PATH,
    body: bytes = BODY,
    fields: Mapping[str, str] = NO_FIELDS,
    num: int = 1,
) -> None:
    """Equal requests at once, whose clients leave once their jobs stand."""
    before = len(jobs(store))
    all_fields = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": len(body), **fields}
    head = "".join(f"{name}: {value}\r\n" for name, value in all_fields.items())
    with ExitStack() as connections:
        for _ in range(num):
            connection = socket.create_connection(("127.0.0.1", api.port), timeout=TIMEOUT_S)
            connections.enter_context(closing(connection))
            connection.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        until(lambda: len(jobs(store)) == before + num)


def post_retry(http: httpx.Client) -> str:
    """The job that answered."""
    answer = http.post(PATH, content=BODY, headers=RETRY).raise_for_status()
    return answer.headers["x-gridpress-job-id"]


def test_the_clients_own_retry_brings_the_picture_of_its_first_try(
    api: Served, client: Client, store: JobStore, picture: Picture
) -> None:
    def ask() -> ImagesResponse:
        url = f"http://127.0.0.1:{api.port}/v1"
        with openai.OpenAI(api_key="any", base_url=url, timeout=1.5, max_retries=20) as asking:
            return asking.images.generate(prompt="a red kite", size="256x256")  # type: ignore[arg-type]

    with ThreadPoolExecutor() as threads:
        answer = threads.submit(ask)
        until(lambda: len(jobs(store)) == 1)
        until(lambda: holds(client) == 0)  # the first try is over
        until(lambda: holds(client) == 1)  # a retry waits
        finish(client, picture)
        assert answer.result().data
    assert len(jobs(store)) == 1


def test_a_retry_finds_a_job_that_ended_meanwhile(
    api: Served, http: httpx.Client, client: Client, store: JobStore, picture: Picture
) -> None:
    lost_try(api, store)
    finish(client, picture)
    assert post_retry(http) == jobs(store)[0].job_id
    assert len(jobs(store)) == 1


def test_an_answer_that_arrived_is_no_retrys(
    http: httpx.Client, client: Client, store: JobStore, picture: Picture
) -> None:
    with ThreadPoolExecutor() as threads:
        first = threads.submit(http.post, PATH, content=BODY, headers={"Content-Type": "application/json"})
        until(lambda: len(jobs(store)) == 1)
        finish(client, picture)
        answered = first.result().headers["x-gridpress-job-id"]
        retry = threads.submit(post_retry, http)
        until(lambda: len(jobs(store)) == 2)
        finish(client, picture)
        assert retry.result() != answered


def test_two_clients_with_the_same_request_end_with_two_jobs(
    api: Served, client: Client, store: JobStore, picture: Picture
) -> None:
    lost_try(api, store, num=2)
    with ThreadPoolExecutor() as threads, api.client() as one, api.client() as other:
        retries = [threads.submit(post_retry, http) for http in (one, other)]
        until(lambda: holds(client) == 2)
        finish(client, picture)
        assert {retry.result() for retry in retries} == {job.job_id for job in jobs(store)}
    assert len(jobs(store)) == 2


def test_another_body_is_another_job(api: Served, http: httpx.Client, store: JobStore) -> None:
    lost_try(api, store)
    with ThreadPoolExecutor() as threads, api.client() as other:
        threads.submit(other.post, PATH, content=BODY.replace(b"red", b"blue"), headers=RETRY)
        until(lambda: len(jobs(store)) == 2)
        for job in jobs(store):
            store.cancel(job.job_id, DEFAULT_TENANT)


def test_a_job_that_was_deleted_is_made_anew(
    api: Served, http: httpx.Client, client: Client, store: JobStore, picture: Picture
) -> None:
    lost_try(api, store)
    (job,) = jobs(store)
    store.cancel(job.job_id, DEFAULT_TENANT)
    store.delete(job.job_id, DEFAULT_TENANT)
    with ThreadPoolExecutor() as threads:
        retry = threads.submit(post_retry, http)
        until(lambda: len(jobs(store)) == 1)
        finish(client, picture)
        assert retry.result() != job.job_id


JOBS = ("/v1/jobs", b'{"prompt": "a red kite", "size": "256x256"}', {"Prefer": "wait=20"})
ZAI = ("/paas/v4/images/generations", b'{"prompt": "a red kite", "size": "1024x1024"}', {})


@pytest.mark.parametrize(("path", "body", "fields"), [(PATH, BODY, {"x-stainless-retry-count": "0"}), JOBS, ZAI])
def test_a_retry_without_a_mark_finds_the_job_of_a_try_that_is_over(
    api: Served,
    http: httpx.Client,
    client: Client,
    store: JobStore,
    picture: Picture,
    path: str,
    body: bytes,
    fields: dict[str, str],
) -> None:
    """As of clients that give up after a timeout, and don't say that they ask again."""
    lost_try(api, store, path, body, fields)
    until(lambda: holds(client) == 0)
    finish(client, picture)
    http.post(path, content=body, headers={"Content-Type": "application/json", **fields}).raise_for_status()
    assert len(jobs(store)) == 1


def test_equal_requests_at_the_same_time_are_several_jobs(
    api: Served, client: Client, store: JobStore, picture: Picture
) -> None:
    fields = {"Content-Type": "application/json"}
    with ThreadPoolExecutor() as threads, api.client() as one, api.client() as other:
        answers = [threads.submit(http.post, PATH, content=BODY, headers=fields) for http in (one, other)]
        until(lambda: len(jobs(store)) == 2)
        finish(client, picture)
        assert len({answer.result().headers["x-gridpress-job-id"] for answer in answers}) == 2


class TestUndeliveredStore:
    """Who may have which job."""

    def one(self, store: UndeliveredStore, job_id: JobId | None = None) -> Expected:
        return store.expect(DEFAULT_TENANT, "f", job_id or new_job_id())

    def test_a_job_that_is_being_made_is_not_looked_for_yet(self, client: Client) -> None:
        store = UndeliveredStore(client)
        expected = self.one(store)
        assert isinstance(store.attach(DEFAULT_TENANT, "f"), Held)
        store.release(expected)
        found = store.attach(DEFAULT_TENANT, "f")
        assert isinstance(found, Expected)
        assert found.job_id == expected.job_id

    def test_the_oldest_free_job_goes_first_and_each_to_one(self, client: Client) -> None:
        store = UndeliveredStore(client)
        ids = [JobId(f"job_{number}") for number in range(2)]
        for job_id in ids:
            store.release(self.one(store, job_id))
        found = [store.attach(DEFAULT_TENANT, "f") for _ in range(2)]
        assert [expected.job_id for expected in found if isinstance(expected, Expected)] == ids
        assert isinstance(store.attach(DEFAULT_TENANT, "f"), Held)

    def test_a_hold_ends_with_its_lease_unless_it_is_prolonged(self, client: Client) -> None:
        store = UndeliveredStore(client, lease_s=0.05)
        expected = self.one(store)
        UndeliveredStore(client, lease_s=60).hold(expected)
        assert client.pttl(f"gridpress:undelivered_by:{expected.job_id}") > 50
        store.hold(expected)
        until(lambda: isinstance(store.attach(DEFAULT_TENANT, "f"), Expected))

    def test_what_arrived_is_gone(self, client: Client) -> None:
        store = UndeliveredStore(client)
        store.delivered(self.one(store))
        assert store.attach(DEFAULT_TENANT, "f") is None

    def test_a_marked_retry_takes_the_job_of_a_request_that_still_waits(self, client: Client) -> None:
        """The connection of the first request may be lost without notice."""
        store = UndeliveredStore(client)
        first = store.open(self.one(store))
        assert isinstance(store.attach(DEFAULT_TENANT, "f"), Held)
        found = store.attach(DEFAULT_TENANT, "f", is_marked=True)
        assert isinstance(found, Expected)
        assert found.job_id == first.job_id
        store.hold(first)
        store.release(first)
        assert isinstance(store.attach(DEFAULT_TENANT, "f", is_marked=True), Held)

    def test_a_marked_retry_takes_a_free_job_first(self, client: Client) -> None:
        store = UndeliveredStore(client)
        store.open(self.one(store))
        lost = self.one(store)
        store.release(lost)
        found = store.attach(DEFAULT_TENANT, "f", is_marked=True)
        assert isinstance(found, Expected)
        assert found.job_id == lost.job_id

    def test_nobody_releases_what_another_holds(self, client: Client) -> None:
        store = UndeliveredStore(client)
        first = self.one(store)
        store.release(first)
        assert isinstance(store.attach(DEFAULT_TENANT, "f"), Expected)
        store.release(first)
        assert isinstance(store.attach(DEFAULT_TENANT, "f"), Held)

    def test_tenants_and_requests_are_apart(self, client: Client) -> None:
        store = UndeliveredStore(client)
        store.release(self.one(store))
        assert store.attach(DEFAULT_TENANT, "g") is None
