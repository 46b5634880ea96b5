"""The erasure of a tenant's data deletes the copies in its bucket, and nothing else there."""

import pytest
from structlog.testing import capture_logs

from shared.errors import TenantBeingErased
from shared.ids import ObjectKey, TenantId
from shared.objects.store import ObjectStore
from shared.store.copies.buckets import BucketStore
from shared.store.core.connect import Client
from shared.store.tenants.erasure import ErasureStore
from tests.fixtures.buckets import ACME, GLOBEX, Buckets
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


def test_a_tenant_gets_no_bucket_while_its_data_is_erased(client: Client, buckets: Buckets) -> None:
    ErasureStore(client).begin(ACME)
    with pytest.raises(TenantBeingErased):
        BucketStore(client).save(buckets.place())
