"""Pictures of jobs and batches are copied into the buckets of two tenants, over real stores."""

import json
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from structlog.testing import capture_logs

from api.services import Services
from shared.access.rights import Scope
from shared.errors import ObjectStoreUnavailable
from shared.ids import TenantId
from shared.jobs.bucket_copy import BucketCopy, CopyStatus
from shared.metrics.catalogue import BUCKET_COPIES
from shared.objects.bucket_clients import BucketClients
from shared.objects.bucket_credentials import BucketCredentials
from shared.objects.egress_session import REQUEST_S, EgressSession, Pace
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.access.keys import KeyStore
from shared.store.batches.batches import BatchStore
from shared.store.copies.buckets import BucketStore
from shared.store.copies.copies import CopyRules, CopyStore
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.webhooks.deliveries import DeliveryStore
from tests.api.conftest import hints, house
from tests.fixtures.buckets import ACME, GLOBEX, SEALING, Buckets
from tests.fixtures.http_server import HttpServer, Quiet
from tests.shared.store.builders import A_LOT, DELIVERY_RULES
from tests.workers.batches.shop import PNG, Json, Shop, a_line, a_shop, jsonl
from workers.delivery.copies.service import CopyService, count_given_up, longest_slow_s

__all__ = ["hints", "house"]

HOOK = "https://a.example/hook"


@pytest.fixture
def shop(house: Services, client: Client) -> Shop:
    return a_shop(house, client)


@pytest.fixture
def service(client: Client, objects: ObjectStore, s3_settings: Settings, buckets: Buckets) -> CopyService:
    copies = CopyStore(client, CopyRules(concurrency=2), on_given_up=count_given_up)
    return CopyService(
        copies, JobStore(client), BatchStore(client), objects, buckets.clients, s3_settings, most_limited=1
    )


@pytest.fixture
def placed(client: Client, buckets: Buckets) -> BucketStore:
    found = BucketStore(client)
    for tenant in (ACME, GLOBEX):
        found.save(buckets.place(tenant))
    return found


@pytest.fixture
def headers(client: Client) -> dict[TenantId, dict[str, str]]:
    keys = KeyStore(client)
    return {tenant: {"Authorization": f"Bearer {keys.create(tenant, [Scope.ADMIN])[1]}"} for tenant in (ACME, GLOBEX)}


def posted(shop: Shop, headers: dict[str, str], **fields: Any) -> str:
    answer = shop.http.post("/v1/jobs", json={"prompt": "a", "webhook_url": HOOK, **fields}, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.get_json()["id"])


def read(shop: Shop, job_id: str, headers: dict[str, str]) -> Json:
    return dict(shop.http.get(f"/v1/jobs/{job_id}", headers=headers).get_json())


def copy_all(service: CopyService) -> int:
    num = 0
    while claim := service.claim():
        service.carry_out(claim)
        num += 1
    return num


def make_due(client: Client, tenant: TenantId) -> None:
    """As if the pauses of all its copies and deletions had passed."""
    for name in (f"gridpress:copies:{tenant}", f"gridpress:copy_deletions:{tenant}"):
        for entry in client.zrange(name, 0, -1):
            client.zadd(name, {entry: 0})
            client.zadd("gridpress:copy_tenants", {tenant: 0})


def given_up() -> float:
    return BUCKET_COPIES.labels("given_up")._value.get()


def due_types(client: Client) -> list[str]:
    return [each.event_type for each in DeliveryStore(client, DELIVERY_RULES).claim(A_LOT)]


def test_each_tenant_finds_its_pictures_in_its_own_bucket(
    shop: Shop,
    service: CopyService,
    client: Client,
    buckets: Buckets,
    placed: BucketStore,
    headers: dict[TenantId, dict[str, str]],
) -> None:
    mine, yours = posted(shop, headers[ACME], n=2), posted(shop, headers[GLOBEX])
    shop.render()
    pending = {"status": "pending", "location": None, "error": None}
    assert read(shop, mine, headers[ACME])["bucket_copy"] == pending
    assert due_types(client) == []
    assert copy_all(service) == 2
    folder = f"gridpress/jobs/{mine}"
    assert buckets.keys(ACME) == [f"{folder}/0.png", f"{folder}/1.png", f"{folder}/manifest.json"]
    assert buckets.keys(GLOBEX) == [f"gridpress/jobs/{yours}/{name}" for name in ("0.png", "manifest.json")]
    assert buckets.read(f"{folder}/1.png") == PNG
    manifest = json.loads(buckets.read(f"{folder}/manifest.json"))
    found = read(shop, mine, headers[ACME])
    assert found["bucket_copy"] == {"status": "copied", "location": f"s3://acme-pictures/{folder}/", "error": None}
    assert manifest["job"] == found
    assert [each["file"] for each in manifest["pictures"]] == ["0.png", "1.png"]
    assert sorted(due_types(client)) == ["job.succeeded", "job.succeeded"]


def test_a_batch_is_copied_with_the_names_of_its_lines(
    shop: Shop, service: CopyService, client: Client, buckets: Buckets
) -> None:
    default = TenantId("default")
    BucketStore(client).save(buckets.place(default, bucket="acme-pictures", sealed_secret=_sealed(buckets, default)))
    lines = jsonl([a_line(0), a_line(1, n=2), a_line(2, n=-1)])
    batch = shop.create(lines, webhook_url=HOOK)
    found = shop.run(batch)
    assert found["bucket_copy"]["status"] == "pending"
    assert "batch.completed" not in due_types(client)
    while copy_all(service):
        make_due(client, default)
    folder = f"gridpress/batches/{batch['id']}"
    names = ["errors.jsonl", "line-0.png", "line-1--0.png", "line-1--1.png", "manifest.jsonl", "output.jsonl"]
    assert buckets.keys() == [f"{folder}/{name}" for name in names]
    listed = [json.loads(line) for line in buckets.read(f"{folder}/manifest.jsonl").splitlines()]
    assert sorted(each["file"] for each in listed) == names[1:4]
    assert buckets.read(f"{folder}/output.jsonl").count(b"\n") == 2
    copied = {"status": "copied", "location": f"s3://acme-pictures/{folder}/", "error": None}
    assert shop.batch(batch)["bucket_copy"] == copied
    assert "batch.completed" in due_types(client)
    assert client.hget(f"gridpress:batch:{batch['id']}", "copies_left") == "0"
    (line,) = [each["id"] for each in shop.http.get("/v1/jobs").get_json()["data"] if each["n"] == 2]
    assert shop.http.delete(f"/v1/jobs/{line}").status_code == 204
    assert copy_all(service) == 1
    assert buckets.keys() == [f"{folder}/{name}" for name in names if "line-1" not in name]
    assert shop.http.delete(f"/v1/batches/{batch['id']}").status_code == 204
    assert copy_all(service) == 1
    assert buckets.keys() == []


def test_a_retried_line_keeps_its_new_pictures_and_loses_the_old_ones(
    shop: Shop, service: CopyService, client: Client, buckets: Buckets
) -> None:
    default = TenantId("default")
    BucketStore(client).save(buckets.place(default, bucket="acme-pictures", sealed_secret=_sealed(buckets, default)))
    shop.fails = lambda claim: claim.index == 0
    batch = shop.create(jsonl([a_line(0, n=2)]))
    folder = f"gridpress/batches/{batch['id']}"

    def pictures() -> list[str]:
        shop.run(batch)
        while copy_all(service):
            make_due(client, default)
        found = buckets.keys()
        return [key.removeprefix(f"{folder}/") for key in found if key.endswith(".png")]

    assert pictures() == ["line-0--1.png"]
    (first,) = [each["id"] for each in shop.http.get("/v1/jobs").get_json()["data"]]
    shop.fails = lambda claim: claim.index == 1
    shop.do(batch, "retry")
    assert pictures() == ["line-0--0.png"]
    assert shop.http.delete(f"/v1/jobs/{first}").status_code == 204
    assert pictures() == ["line-0--0.png"]


def _sealed(buckets: Buckets, tenant: TenantId) -> str:
    return SEALING.seal(buckets.s3.secret_key, tenant)


class _Hanging(Quiet, BaseHTTPRequestHandler):
    """Accepts requests and never answers."""

    released = threading.Event()
    arrived = threading.Semaphore(0)

    def do_PUT(self) -> None:
        self.arrived.release()
        self.released.wait(60)


def test_a_bucket_that_hangs_or_refuses_delays_no_other_tenant(
    shop: Shop,
    service: CopyService,
    client: Client,
    buckets: Buckets,
    placed: BucketStore,
    headers: dict[TenantId, dict[str, str]],
) -> None:
    with HttpServer(_Hanging) as server:
        placed.save(buckets.place(ACME, endpoint_url=server.url))
        stuck = posted(shop, headers[ACME])
        shop.render()
        claim = service.claim()
        assert claim
        thread = threading.Thread(target=service.carry_out, args=[claim])
        thread.start()
        assert _Hanging.arrived.acquire(timeout=60)
        yours = posted(shop, headers[GLOBEX])
        shop.render()
        assert copy_all(service) == 1
        assert read(shop, yours, headers[GLOBEX])["bucket_copy"]["status"] == "copied"
        assert due_types(client) == ["job.succeeded"]
        assert read(shop, stuck, headers[ACME])["bucket_copy"]["status"] == "pending"
        placed.save(buckets.place(ACME, bucket="absent"))
        _Hanging.released.set()
        thread.join()
    assert placed.health(ACME).num_waiting == 1
    assert placed.health(ACME).error
    assert placed.health(GLOBEX).error is None


def test_a_bucket_that_refuses_too_long_is_given_up_and_the_webhook_is_sent(
    shop: Shop,
    service: CopyService,
    client: Client,
    buckets: Buckets,
    placed: BucketStore,
    headers: dict[TenantId, dict[str, str]],
) -> None:
    placed.save(buckets.place(ACME, bucket="absent"))
    job = posted(shop, headers[ACME])
    shop.render()
    assert copy_all(service) == 1
    assert placed.health(ACME).error == f"there is no bucket absent at {buckets.s3.url}"
    assert due_types(client) == []
    client.hset(f"gridpress:job:{job}", "copy_since_ms", 0)
    client.hset("gridpress:copy_state:acme", mapping={"resumes_ms": 0, "failing_since_ms": 0})
    make_due(client, ACME)
    before = given_up()
    assert copy_all(service) == 0
    assert given_up() == before + 1
    told = read(shop, job, headers[ACME])["bucket_copy"]
    assert (told["status"], "there is no bucket absent" in told["error"]) == ("failed", True)
    assert due_types(client) == ["job.succeeded"]


@pytest.mark.parametrize("is_slow", [False, True])
def test_a_bucket_whose_requests_are_slow_is_known_as_slow(
    shop: Shop,
    service: CopyService,
    placed: BucketStore,
    headers: dict[TenantId, dict[str, str]],
    is_slow: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if is_slow:
        monkeypatch.setattr(Pace, "mean_s", 3.5)
    posted(shop, headers[ACME])
    shop.render()
    with capture_logs() as logged:
        assert copy_all(service) == 1
    assert placed.health(ACME).slow_s == (3.5 if is_slow else None)
    assert [each["event"] for each in logged] == ["bucket.copied", *(["bucket.slow"] if is_slow else [])]


@pytest.mark.parametrize("is_slow", [False, True])
def test_a_copy_into_a_slow_bucket_is_broken_off_when_it_takes_too_long(
    shop: Shop,
    service: CopyService,
    placed: BucketStore,
    headers: dict[TenantId, dict[str, str]],
    is_slow: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("workers.delivery.copies.service.longest_slow_s", lambda _: 0.0)
    if is_slow:
        monkeypatch.setattr(Pace, "mean_s", 3.5)
    posted(shop, headers[ACME])
    shop.render()
    assert copy_all(service) == 1
    health = placed.health(ACME)
    assert (health.num_waiting, "the bucket is slow" in str(health.error)) == (is_slow, is_slow)


@pytest.mark.parametrize(("num", "limit_s"), [(0, 1200), (1, 1200), (16, 1200), (18, 1200), (19, 1260), (64, 3960)])
def test_all_pictures_of_a_job_can_be_copied_into_a_slow_bucket(num: int, limit_s: float) -> None:
    assert longest_slow_s(num) == limit_s
    assert limit_s > (num + 1) * 2 * REQUEST_S  # each picture and the manifest: written, and its size read


def test_an_unexpected_error_of_a_deletion_pauses_it(
    shop: Shop,
    service: CopyService,
    buckets: Buckets,
    placed: BucketStore,
    headers: dict[TenantId, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = posted(shop, headers[ACME])
    shop.render()
    assert copy_all(service) == 1
    assert shop.http.delete(f"/v1/jobs/{job}", headers=headers[ACME]).status_code == 204

    def broken(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr("workers.delivery.copies.service.delete_copies", broken)
    with capture_logs() as logged:
        assert copy_all(service) == 1
    assert [each["event"] for each in logged] == ["bucket.copy_crashed", "bucket.not_deleted"]
    assert placed.health(ACME).error == "copies are not deleted: the service could not delete it"


def test_an_entry_that_nobody_can_read_is_told_and_taken_out(
    service: CopyService, client: Client, placed: BucketStore
) -> None:
    client.zadd("gridpress:copy_deletions:acme", {"delete|nothing": 0})
    client.zadd("gridpress:copy_tenants", {"acme": 0})
    with capture_logs() as logged:
        assert copy_all(service) == 1
    assert [each["event"] for each in logged] == ["bucket.not_deleted"]
    assert placed.health(ACME).num_deleting == 0


@pytest.mark.parametrize("cause", ["own_store", "gone", "stopping"])
def test_a_failure_of_the_service_is_not_the_buckets(
    shop: Shop,
    service: CopyService,
    buckets: Buckets,
    placed: BucketStore,
    headers: dict[TenantId, dict[str, str]],
    cause: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = posted(shop, headers[ACME])
    shop.render()

    def away(*_: object) -> bytes:
        raise ObjectStoreUnavailable("away")

    if cause == "own_store":
        monkeypatch.setattr(service, "objects", type("Away", (), {"get": away})())
    elif cause == "gone":
        for page in shop.house.objects.pages(f"jobs/{job}/"):
            for key, _ in page:
                shop.house.objects.delete(key)
    else:
        service.stopping.set()
    assert copy_all(service) == 1
    told = read(shop, job, headers[ACME])["bucket_copy"]
    assert told["status"] == ("failed" if cause == "gone" else "pending")
    assert placed.health(ACME).error is None
    assert buckets.keys() == []


def test_a_lost_lease_ends_the_copy(
    shop: Shop, service: CopyService, client: Client, placed: BucketStore, headers: dict[TenantId, dict[str, str]]
) -> None:
    job = posted(shop, headers[ACME])
    shop.render()
    claim = service.claim()
    assert claim
    client.hset("gridpress:copy_leases:acme", job, "9999999999999|another")
    service.carry_out(claim)
    assert JobStore(client).job_of_any_tenant(claim.job.job_id).bucket_copy == BucketCopy(CopyStatus.PENDING)  # type: ignore[union-attr]


def test_a_deleted_job_takes_its_copy_with_it(
    shop: Shop,
    service: CopyService,
    buckets: Buckets,
    placed: BucketStore,
    client: Client,
    headers: dict[TenantId, dict[str, str]],
) -> None:
    mine, other = posted(shop, headers[ACME]), posted(shop, headers[ACME])
    shop.render()
    assert copy_all(service) == 2
    placed.save(buckets.place(ACME, sealed_secret=SEALING.seal("wrong", ACME)))
    assert shop.http.delete(f"/v1/jobs/{mine}", headers=headers[ACME]).status_code == 204
    with capture_logs() as logged:
        assert copy_all(service) == 1
    assert [each["event"] for each in logged] == ["bucket.not_deleted"]
    health = placed.health(ACME)
    assert (health.num_deleting, "does not belong" in str(health.error)) == (1, True)
    placed.save(buckets.place(ACME))
    make_due(client, ACME)
    assert copy_all(service) == 1
    assert buckets.keys(ACME) == [f"gridpress/jobs/{other}/{name}" for name in ("0.png", "manifest.json")]


def test_tenants_share_no_connections(buckets: Buckets) -> None:
    clients = BucketClients(buckets.clients._egress, BucketCredentials(Settings(), SEALING))
    one, other = (clients.client_of(buckets.place(tenant)) for tenant in (ACME, GLOBEX))
    sessions = [client._client._endpoint.http_session for client in (one, other)]
    assert all(isinstance(session, EgressSession) for session in sessions)  # each request has its own connection
    assert sessions[0] is not sessions[1]
