"""A write counts once the object is there: the answer proves it, or a look at the object does."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from shared.errors import ObjectStoreUnavailable
from shared.ids import ObjectKey
from shared.objects.store import ObjectStore
from shared.objects.writer import PART_BYTES

KEY = ObjectKey("proof/object")
Change = Callable[[dict[str, Any]], None]


def tell(objects: ObjectStore, operation: str, change: Change) -> None:
    """What the store answers, changed on its way here."""

    def changed(parsed: dict[str, Any], **_: object) -> None:
        change(parsed)

    objects._client.meta.events.register(f"after-call.s3.{operation}", changed)


def etag(value: str | None) -> Change:
    def change(parsed: dict[str, Any]) -> None:
        parsed.pop("ETag", None)
        if value is not None:
            parsed["ETag"] = value

    return change


def calls_of(objects: ObjectStore) -> list[str]:
    made: list[str] = []
    objects._client.meta.events.register("before-call.s3", lambda model, **_: made.append(model.name))
    return made


def store_other_bytes(objects: ObjectStore, operation: str, data: bytes) -> None:
    """The store takes other bytes than it was sent, as many, and answers as if nothing were wrong."""

    def swap(params: dict[str, Any], **_: object) -> None:
        params["Body"] = data

    objects._client.meta.events.register(f"provide-client-params.s3.{operation}", swap)


@pytest.mark.parametrize("odd", [None, '"opaque"', '"0123456789abcdef0123456789abcdef"'])
def test_an_odd_etag_is_no_fault_where_the_object_is_there(own_objects: ObjectStore, odd: str | None) -> None:
    """As of a store that encrypts with a key of KMS."""
    for operation in ("PutObject", "HeadObject"):
        tell(own_objects, operation, etag(odd))
    own_objects.put(KEY, b"whole", "text/plain")
    assert own_objects.get(KEY) == b"whole"


def test_a_write_that_its_etag_proves_costs_no_second_request(own_objects: ObjectStore) -> None:
    made = calls_of(own_objects)
    own_objects.put(KEY, b"whole", "text/plain")
    with own_objects.writer(KEY, "text/plain") as writer:
        writer.write(b"x" * (PART_BYTES + 1))
    assert "HeadObject" not in made
    assert "GetObject" not in made


@pytest.mark.attack
@pytest.mark.parametrize("odd", [None, '"opaque"', '"0123456789abcdef0123456789abcdef"'])
@pytest.mark.parametrize("stored", [b"wHOLE", b"cut", b""])
def test_other_bytes_than_were_written_are_an_outage(own_objects: ObjectStore, odd: str | None, stored: bytes) -> None:
    store_other_bytes(own_objects, "PutObject", stored)
    for operation in ("PutObject", "HeadObject"):
        tell(own_objects, operation, etag(odd))
    with pytest.raises(ObjectStoreUnavailable, match="does not hold it"):
        own_objects.put(KEY, b"whole", "text/plain")


@pytest.mark.attack
def test_a_part_of_other_bytes_is_an_outage(own_objects: ObjectStore) -> None:
    store_other_bytes(own_objects, "UploadPart", b"y" * PART_BYTES)
    with (
        pytest.raises(ObjectStoreUnavailable, match="does not hold it"),
        own_objects.writer(KEY, "text/plain") as writer,
    ):
        writer.write(b"x" * PART_BYTES)


@pytest.mark.attack
def test_a_part_without_an_etag_is_an_outage(own_objects: ObjectStore) -> None:
    tell(own_objects, "UploadPart", etag(None))
    with pytest.raises(ObjectStoreUnavailable, match="no ETag"), own_objects.writer(KEY, "text/plain") as writer:
        writer.write(b"x" * PART_BYTES)


@pytest.mark.parametrize("odd", [None, '"opaque"'])
def test_a_large_object_with_an_odd_etag_is_read_back(own_objects: ObjectStore, odd: str | None) -> None:
    for operation in ("CompleteMultipartUpload", "HeadObject"):
        tell(own_objects, operation, etag(odd))
    with own_objects.writer(KEY, "text/plain") as writer:
        writer.write(b"x" * (PART_BYTES + 1))
    assert hashlib.sha256(own_objects.get(KEY)).digest() == hashlib.sha256(b"x" * (PART_BYTES + 1)).digest()


@pytest.mark.attack
def test_a_copy_that_is_not_there_or_of_something_else_is_an_outage(own_objects: ObjectStore) -> None:
    own_objects.put(KEY, b"whole", "text/plain")
    own_objects.put(ObjectKey("proof/other"), b"wHOLE", "text/plain")

    def copy_another(params: dict[str, Any], **_: object) -> None:
        params["CopySource"] = {"Bucket": own_objects._bucket, "Key": "proof/other"}

    own_objects._client.meta.events.register_first("provide-client-params.s3.CopyObject", copy_another)
    with pytest.raises(ObjectStoreUnavailable, match="does not hold it"):
        own_objects.copy(KEY, ObjectKey("proof/copy"))


def test_a_copy_of_a_large_object_may_have_an_etag_of_its_own(own_objects: ObjectStore) -> None:
    with own_objects.writer(KEY, "text/plain") as writer:
        writer.write(b"x" * (PART_BYTES + 1))
    tell(own_objects, "CopyObject", lambda parsed: parsed.update(CopyObjectResult={"ETag": '"another"'}))
    own_objects.copy(KEY, ObjectKey("proof/copy"))
    assert own_objects.get(ObjectKey("proof/copy")) == own_objects.get(KEY)


def test_what_is_deleted_goes_a_thousand_at_a_time(own_objects: ObjectStore) -> None:
    for number in range(30):
        own_objects.put(ObjectKey(f"proof/many/{number}"), b"x", "text/plain")
    made = calls_of(own_objects)
    own_objects.delete_prefix("proof/many/")
    assert made == ["ListObjectsV2", "DeleteObjects"]
    assert own_objects.delete_some("proof/many/", 1000) == 0


def test_an_object_that_could_not_be_deleted_is_an_outage(own_objects: ObjectStore) -> None:
    own_objects.put(ObjectKey("proof/many/1"), b"x", "text/plain")
    tell(own_objects, "DeleteObjects", lambda parsed: parsed.update(Errors=[{"Key": "proof/many/1", "Code": "Denied"}]))
    with pytest.raises(ObjectStoreUnavailable, match="not deleted"):
        own_objects.delete_prefix("proof/many/")
