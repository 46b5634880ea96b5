"""The erasure of a tenant's data deletes the copies in its bucket, and nothing else there."""

from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from shared.egress.client import EgressClient
from shared.errors import ObjectStoreUnavailable, TenantBeingErased
from shared.ids import ObjectKey, TenantId
from shared.objects.bucket_clients import BucketClients
from shared.objects.bucket_credentials import BucketCredentials
from shared.objects.bucket_errors import BucketRefused
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.copies.buckets import BucketStore
from shared.store.core.connect import Client
from shared.store.tenants.erasure import Erasure, ErasureStore
from tests.fixtures.buckets import ACME, GLOBEX, ON_LOOPBACK, SEALING, Buckets
from tests.fixtures.endless_bucket import EndlessBucket
from tests.fixtures.http_server import HttpServer
from workers.upkeep import copies
from workers.upkeep.copies import CopyErasure
from workers.upkeep.erasure import Eraser

ULID = "01h" + "0" * 23
COPIES = (f"jobs/job_{ULID}/0.png", f"jobs/job_{ULID}/manifest.json", f"batches/batch_{ULID}/line-0.png")
OTHERS = ("jobs/mine/a.png", "a.png", f"jobs/job_{ULID}.txt")


def fill(buckets: Buckets, tenant: TenantId) -> None:
    bucket = buckets.clients.client_of(buckets.place(tenant))
    for name in (*COPIES, *OTHERS):
        bucket.put(ObjectKey(f"gridpress/{name}"), b"picture", "image/png")


def erase(client: Client, objects: ObjectStore, buckets: Buckets, *, with_settings: bool = False) -> None:
    erasures = ErasureStore(client)
    erasures.begin(ACME, with_settings=with_settings)
    eraser = Eraser(client, objects, buckets.clients)
    for _ in range(500):
        eraser.step()
        if erasures.find(ACME) is None:
            return
        client.hset(f"gridpress:erasure:{ACME}", "until_ms", 0)
    raise AssertionError("it does not end")


@pytest.mark.parametrize("with_settings", [False, True])
def test_copies_are_erased_and_other_objects_and_tenants_stay(
    client: Client, objects: ObjectStore, buckets: Buckets, with_settings: bool
) -> None:
    store = BucketStore(client)
    for tenant in (ACME, GLOBEX):
        store.save(buckets.place(tenant))
        fill(buckets, tenant)
    erase(client, objects, buckets, with_settings=with_settings)
    assert buckets.keys(ACME) == sorted(f"gridpress/{name}" for name in OTHERS)
    assert buckets.keys(GLOBEX) == sorted(f"gridpress/{name}" for name in (*COPIES, *OTHERS))
    assert (store.find(ACME) is None) == with_settings
    assert store.find(GLOBEX)


def test_a_bucket_that_refuses_does_not_hold_up_the_erasure(
    client: Client, objects: ObjectStore, buckets: Buckets
) -> None:
    BucketStore(client).save(buckets.place(bucket="absent"))
    with capture_logs() as logged:
        erase(client, objects, buckets)
    (line, *_) = [each for each in logged if each["event"] == "upkeep.copies_not_erased"]
    assert (line["tenant"], "there is no bucket absent" in line["error"]) == (ACME, True)


def test_the_bucket_of_the_service_is_not_searched_for_copies(
    client: Client, objects: ObjectStore, buckets: Buckets, s3_settings: Settings
) -> None:
    """An earlier release may have stored it as that of a tenant."""
    BucketStore(client).save(buckets.place(bucket=s3_settings.s3_bucket, prefix=""))
    of_others = ObjectKey(f"jobs/job_{ULID}/0.png")
    objects.put(of_others, b"picture", "image/png")
    clients = BucketClients(EgressClient(ON_LOOPBACK), BucketCredentials(s3_settings, SEALING))
    erase(client, objects, replace(buckets, clients=clients))
    assert objects.get(of_others) == b"picture"


def test_a_bucket_that_lists_without_end_does_not_hold_up_the_erasure(
    client: Client, objects: ObjectStore, buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "_MOST_PAGES", 5)
    with HttpServer(EndlessBucket) as server, capture_logs() as logged:
        BucketStore(client).save(buckets.place(endpoint_url=server.url))
        erase(client, objects, buckets)
    lines = [each for each in logged if each["event"] == "upkeep.copies_not_erased"]
    assert lines[0]["error"].startswith("it still lists objects after 5 pages")


@pytest.mark.parametrize("listed", ["<Contents/>", "<Contents><Size>1</Size></Contents>", "<Contents>a</Contents>"])
def test_a_bucket_whose_list_can_not_be_read_does_not_hold_up_the_erasure(
    client: Client, objects: ObjectStore, buckets: Buckets, monkeypatch: pytest.MonkeyPatch, listed: str
) -> None:
    monkeypatch.setattr(EndlessBucket, "listed", listed)
    with HttpServer(EndlessBucket) as server, capture_logs() as logged:
        BucketStore(client).save(buckets.place(endpoint_url=server.url))
        erase(client, objects, buckets)
    lines = [each for each in logged if each["event"] == "upkeep.copies_not_erased"]
    assert f"{server.url} sent a response that is not one of S3" in lines[0]["error"]


@pytest.mark.parametrize("error", [ObjectStoreUnavailable("away"), RuntimeError("a fault")])
def test_an_erasure_that_fails_does_not_hold_up_others(
    client: Client, objects: ObjectStore, buckets: Buckets, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    erasures = ErasureStore(client)
    for tenant in (ACME, GLOBEX):
        erasures.begin(tenant)
    whole = Eraser._steps

    def steps(eraser: Eraser, erasure: Erasure) -> Any:
        if erasure.tenant == ACME:
            raise error
        return whole(eraser, erasure)

    monkeypatch.setattr(Eraser, "_steps", steps)
    eraser = Eraser(client, objects, buckets.clients)
    with capture_logs() as logged:
        for _ in range(500):
            eraser.step()
            if erasures.find(GLOBEX) is None:
                break
            client.hset(f"gridpress:erasure:{GLOBEX}", "until_ms", 0)
    assert erasures.find(GLOBEX) is None
    assert erasures.find(ACME)
    num_logged = sum(each["event"] in ("thread.failed", "upkeep.not_deleted") for each in logged)
    assert num_logged == 1 if isinstance(error, RuntimeError) else num_logged > 1


class _Clock:
    """Each request to the bucket takes `request_s`."""

    now_s = 0.0
    request_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class _Pages:
    """A bucket that lists one copy in each page, without end."""

    def __init__(self, buckets: Buckets, clock: _Clock) -> None:
        self.place, self.clock = buckets.place(), clock

    def page(self, folder: str, token: str | None) -> tuple[list[str], str | None]:
        self.clock.now_s += self.clock.request_s
        return [f"{folder}job_{ULID}/0.png"], "more"

    def delete_keys(self, _: object) -> None:
        self.clock.now_s += self.clock.request_s


@pytest.mark.parametrize("request_s", [0.1, 10.0, 29.0])
def test_a_slow_bucket_gets_a_tenth_of_the_time_and_a_day(buckets: Buckets, request_s: float) -> None:
    clock, in_bucket_s = _Clock(), 0.0
    clock.request_s = request_s
    erasing, pages = CopyErasure(clock), cast("Any", _Pages(buckets, clock))

    def step() -> float:
        """Returns how long it took."""
        while erasing.pauses:
            clock.now_s += 1
        before_s = clock.now_s
        erasing.step(pages)
        return clock.now_s - before_s

    with suppress(BucketRefused):
        while True:
            in_bucket_s += step()
    with pytest.raises(BucketRefused, match="or is too slow"):
        erasing.step(pages)
    if request_s > 1:
        assert 86_400 <= clock.now_s <= 86_400 + 20 * request_s + 1
        assert in_bucket_s <= 8_640 + 2 * request_s


def test_a_tenant_gets_no_bucket_while_its_data_is_erased(client: Client, buckets: Buckets) -> None:
    ErasureStore(client).begin(ACME)
    with pytest.raises(TenantBeingErased):
        BucketStore(client).save(buckets.place())
