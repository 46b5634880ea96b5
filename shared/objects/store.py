"""Reads and writes objects in one S3 bucket with boto3. Works with bytes only, and knows nothing of jobs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from botocore.exceptions import ClientError, NoCredentialsError

from shared.errors import Misconfigured, ObjectNotFound, ObjectStoreUnavailable
from shared.ids import ObjectKey
from shared.objects.client import check_given, client_of
from shared.objects.errors import translated
from shared.objects.lines import split_lines
from shared.objects.verification import prove_copied
from shared.objects.writer import ObjectWriter, put_whole
from shared.settings.settings import Settings

log = structlog.get_logger()

_HOW_TO_SIGN = "set GRIDPRESS_S3_ACCESS_KEY and GRIDPRESS_S3_SECRET_KEY, or give this machine a role"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in the bucket: its key, its size and its ETag, which for most objects is the MD5 of their bytes."""

    key: ObjectKey
    num_bytes: int
    etag: str


class ObjectStore:
    """One bucket in the object store. Every method raises `ObjectStoreUnavailable` if S3 is unreachable or refuses the
    request.

    Reading a missing key raises `ObjectNotFound`.
    """

    def __init__(self, settings: Settings, *, fails_fast: bool = False) -> None:
        """Creates the clients of the S3 bucket in the settings.

        With `fails_fast`, a request is tried only once and waits 5 s at most. This suits callers that retry themselves
        or hold a short lease.

        If the settings have no access key, boto3 searches for credentials: environment variables, a shared file, or the
        role of the machine, container or service account. If the settings have no endpoint, the object store is AWS.
        Raises `Misconfigured` if there is neither an endpoint nor any credentials, if only one of access key and secret
        key is set, and for an invalid endpoint URL.
        """
        check_given(settings)
        self._bucket = settings.s3_bucket
        self._presign_ttl_s = settings.s3_presign_ttl_s
        self._client = client_of(settings, settings.s3_endpoint_url, fails_fast=fails_fast)
        # SigV4 signs the host name, so presigned links are signed for the address that clients use.
        public = settings.s3_public_endpoint_url
        self._public_client = client_of(settings, public) if public else self._client
        self._fast_client = client_of(settings, settings.s3_endpoint_url, fails_fast=True)

    def put(self, key: ObjectKey, data: bytes, content_type: str) -> None:
        """Writes an object. Returns after verifying that the store holds these bytes."""
        put_whole(self._client, self._where(key), data, content_type)

    def get(self, key: ObjectKey) -> bytes:
        with translated():
            return bytes(self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read())

    def stream(self, key: ObjectKey, *, start: int = 0) -> Iterator[bytes]:
        """Yields the object from byte `start` on, in chunks of 256 KiB. Yields nothing if `start` is at or after its
        end.

        A missing key raises at the call, not at the first chunk.
        """
        place = {"Range": f"bytes={start}-"} if start else {}
        with translated():
            try:
                body = self._client.get_object(Bucket=self._bucket, Key=key, **place)["Body"]
            except ClientError as error:
                if error.response["Error"]["Code"] == "InvalidRange":
                    return iter(())
                raise
        return _chunks(body)

    def read(self, key: ObjectKey) -> tuple[StoredObject, str, Iterator[bytes]]:
        """Returns an object, its content type, and its bytes in chunks of 256 KiB."""
        with translated():
            found = self._client.get_object(**self._where(key))
        return _stored(key, found, found["ContentLength"]), found.get("ContentType", ""), _chunks(found["Body"])

    def find(self, key: ObjectKey) -> StoredObject | None:
        """Returns the object with this key, or None if there is none."""
        with translated():
            try:
                found = self._client.head_object(**self._where(key))
            except ClientError as error:
                if error.response["Error"]["Code"] == "404":
                    return None
                raise
        return _stored(key, found, found["ContentLength"])

    def lines(self, key: ObjectKey, *, start: int = 0, most_bytes: int) -> Iterator[tuple[int, bytes]]:
        """Yields the lines of an object from byte `start` on, without newlines, each with the offset at which the next
        line begins.

        Reading can continue at any of these offsets. A longer line than `most_bytes` is cut to `most_bytes` + 1 bytes,
        so that the caller can detect it.
        """
        return split_lines(self.stream(key, start=start), start, most_bytes)

    def has(self, key: ObjectKey) -> bool:
        """Returns whether an object with this key exists."""
        return self.find(key) is not None

    def num_bytes(self, key: ObjectKey) -> int:
        """Returns the size of an object. Raises `ObjectNotFound`."""
        found = self.find(key)
        if found is None:
            raise ObjectNotFound(f"there is no object {key}")
        return found.num_bytes

    def folders(self, prefix: str, *, after: str = "") -> Iterator[str]:
        """Yields the folders directly below `prefix` in order: the distinct beginnings of keys up to and including the
        next slash. `after` is the last folder of an earlier call.
        """
        start = {"StartAfter": f"{after.removesuffix('/')}0"} if after else {}  # 0 is the character after the slash
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix, Delimiter="/", **start
        )
        with translated():
            for page in pages:
                yield from (found["Prefix"] for found in page.get("CommonPrefixes", ()))

    def pages(self, prefix: str) -> Iterator[list[tuple[ObjectKey, datetime]]]:
        """Yields all objects whose key begins with `prefix`, each with the time (UTC) of its last write.

        A list has up to 1,000 objects.
        """
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        with translated():
            for page in pages:
                yield [(ObjectKey(each["Key"]), each["LastModified"]) for each in page.get("Contents", ())]

    def entries(self, prefix: str) -> Iterator[list[StoredObject]]:
        """Yields all objects whose key begins with `prefix`, in lists of up to 1,000 objects."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        with translated():
            for page in pages:
                yield [_stored(ObjectKey(each["Key"]), each, each["Size"]) for each in page.get("Contents", ())]

    def copy(self, key: ObjectKey, to: ObjectKey) -> None:
        """Copies an object within the object store, without downloading it. Verifies the copy."""
        with translated():
            answer = self._client.copy_object(**self._where(to), CopySource=self._where(key))
        prove_copied(self._client, self._where(key), self._where(to), answer)

    def writer(self, key: ObjectKey, content_type: str) -> ObjectWriter:
        """Returns a writer that stores an object piece by piece, whatever the object's size."""
        return ObjectWriter(self._client, self._bucket, key, content_type)

    def delete(self, key: ObjectKey) -> None:
        """Deletes an object. A missing key is not an error."""
        with translated():
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def delete_prefix(self, prefix: str) -> None:
        """Deletes every object whose key begins with `prefix`. If a call fails midway, repeat it to delete the rest."""
        assert prefix.endswith("/"), "without the slash, objects of other prefixes would be deleted"
        with translated():
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                self._delete_all(page.get("Contents", ()))

    def delete_some(self, prefix: str, most: int) -> int:
        """Deletes up to `most` objects whose key begins with `prefix`. Returns how many were deleted."""
        with translated():
            found = self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, MaxKeys=most).get("Contents", ())
            self._delete_all(found)
        return len(found)

    def _delete_all(self, found: Sequence[Mapping[str, Any]]) -> None:
        """Deletes the listed objects in one request. S3 allows at most 1,000 objects for each request, and a page of
        its lists has no more.
        """
        if not found:
            return
        keys = [{"Key": each["Key"]} for each in found]
        answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True})
        if errors := answer.get("Errors"):
            raise ObjectStoreUnavailable(f"{len(errors)} objects were not deleted, such as {errors[0]}")

    def abort_uploads(self, key: ObjectKey) -> None:
        """Deletes the parts of unfinished multipart uploads of this object. A writer that was killed leaves such parts
        in the object store.
        """
        with translated():
            found = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key)
            for upload in found.get("Uploads", ()):
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"])

    def presign(self, key: ObjectKey, *, filename: str, content_type: str) -> str:
        """Returns a presigned link to read an object, with the given file name and content type.

        The link is valid for `s3_presign_ttl_s` seconds.
        """
        params = {
            "Bucket": self._bucket,
            "Key": key,
            "ResponseContentType": content_type,
            "ResponseContentDisposition": f'inline; filename="{filename}"',
        }
        return str(
            self._public_client.generate_presigned_url("get_object", Params=params, ExpiresIn=self._presign_ttl_s)
        )

    def check(self) -> None:
        """Raises `Misconfigured` if the bucket does not exist or the object store refuses the credentials.

        The check takes a few seconds at most, because a start or a health probe waits for it.
        """
        with translated():
            try:
                self._fast_client.head_bucket(Bucket=self._bucket)
            except NoCredentialsError as error:
                raise Misconfigured(f"no credentials: {_HOW_TO_SIGN}") from error
            except ClientError as error:
                raise self._fault(error) from error

    def _where(self, key: ObjectKey) -> Mapping[str, str]:
        return {"Bucket": self._bucket, "Key": key}

    def _fault(self, error: ClientError) -> Exception:
        """Returns the error to raise for a failed HEAD request for the bucket. It is `Misconfigured` for the statuses
        403 and 404, otherwise `error` itself. A response to HEAD has no body, so only the status tells the cause.
        """
        match error.response["Error"]["Code"]:
            case "404":
                return Misconfigured(f"there is no bucket {self._bucket}: create it, or set GRIDPRESS_S3_BUCKET")
            case "403":
                return Misconfigured(f"the object store refuses these credentials: {_HOW_TO_SIGN}")
        return error


def open_objects(settings: Settings, *, fails_fast: bool = False) -> ObjectStore:
    """Returns a worker's object store, after one check of its credentials.

    If the object store is unreachable now, this is only logged. Raises `Misconfigured` for wrong settings, as
    `ObjectStore` and its `check` do.
    """
    objects = ObjectStore(settings, fails_fast=fails_fast)
    try:
        objects.check()
    except ObjectStoreUnavailable as error:
        log.warning("object_store.unavailable", error=str(error))
    return objects


def _stored(key: ObjectKey, found: Mapping[str, Any], num_bytes: int) -> StoredObject:
    return StoredObject(key, int(num_bytes), str(found.get("ETag", "")).strip('"'))


def _chunks(body: Any) -> Iterator[bytes]:
    """Yields the body of an S3 response in chunks. Releases the connection even if the caller stops reading early."""
    with closing(body), translated():
        yield from body.iter_chunks(256 * 1024)
