"""The object store: boto3 against S3, embedded or not. Bytes in, bytes out; knows nothing of jobs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import structlog
from botocore.exceptions import ClientError, NoCredentialsError

from shared.errors import Misconfigured, ObjectStoreUnavailable
from shared.ids import ObjectKey
from shared.objects.client import check_given, client_of
from shared.objects.errors import translated
from shared.objects.lines import split_lines
from shared.objects.proof import prove_copied
from shared.objects.writer import ObjectWriter, put_whole
from shared.settings.settings import Settings

log = structlog.get_logger()

_HOW_TO_SIGN = "set GRIDPRESS_S3_ACCESS_KEY and GRIDPRESS_S3_SECRET_KEY, or give this machine a role"


class ObjectStore:
    """One bucket. Every method raises `ObjectStoreUnavailable` when S3 does not answer or refuses.

    Reading a missing key raises `ObjectNotFound`.
    """

    def __init__(self, settings: Settings, *, is_hasty: bool = False) -> None:
        """Connects to the bucket of the settings.

        With `is_hasty` a call is tried once, for seconds: for callers that retry themselves or hold a short lease.
        Without keys, boto3's own chain finds credentials: variables, a shared file, or the role of this machine,
        container or service account. Without an endpoint it is AWS. Raises `Misconfigured` where neither is set and the
        chain finds nothing, for one key without the other, and for an invalid endpoint URL.
        """
        check_given(settings)
        self._bucket = settings.s3_bucket
        self._presign_ttl_s = settings.s3_presign_ttl_s
        self._client = client_of(settings, settings.s3_endpoint_url, is_hasty=is_hasty)
        # SigV4 signs the host, so links are signed for the address that clients use.
        public = settings.s3_public_endpoint_url
        self._public_client = client_of(settings, public) if public else self._client
        self._hasty_client = client_of(settings, settings.s3_endpoint_url, is_hasty=True)

    def put(self, key: ObjectKey, data: bytes, content_type: str) -> None:
        """Writes the object. Returns once it is proved that the store holds these bytes."""
        put_whole(self._client, self._where(key), data, content_type)

    def get(self, key: ObjectKey) -> bytes:
        with translated():
            return bytes(self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read())

    def stream(self, key: ObjectKey, *, start: int = 0) -> Iterator[bytes]:
        """Yields the object from byte `start` on, in chunks of 256 KiB; nothing if `start` is at or after its end.

        A missing key raises here, not at the first chunk.
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

    def lines(self, key: ObjectKey, *, start: int = 0, most_bytes: int) -> Iterator[tuple[int, bytes]]:
        """Yields the lines from byte `start` on, without newline, each with the offset of the next line.

        Reading can continue at any such offset. A line is cut after `most_bytes` + 1 bytes, so that a longer one can be
        detected.
        """
        return split_lines(self.stream(key, start=start), start, most_bytes)

    def has(self, key: ObjectKey) -> bool:
        """Returns whether the object exists."""
        with translated():
            try:
                self._client.head_object(**self._where(key))
            except ClientError as error:
                if error.response["Error"]["Code"] == "404":
                    return False
                raise
        return True

    def folders(self, prefix: str) -> Iterator[str]:
        """Yields the distinct prefixes of keys below `prefix`, up to and including the next slash."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix, Delimiter="/"
        )
        with translated():
            for page in pages:
                yield from (found["Prefix"] for found in page.get("CommonPrefixes", ()))

    def copy(self, key: ObjectKey, to: ObjectKey) -> None:
        """Copies an object within the object store, without downloading it."""
        with translated():
            answer = self._client.copy_object(**self._where(to), CopySource=self._where(key))
        prove_copied(self._client, self._where(key), self._where(to), answer)

    def writer(self, key: ObjectKey, content_type: str) -> ObjectWriter:
        """Returns a writer for an object of any size."""
        return ObjectWriter(self._client, self._bucket, key, content_type)

    def delete(self, key: ObjectKey) -> None:
        """Deletes an object. A missing key is no error."""
        with translated():
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def delete_prefix(self, prefix: str) -> None:
        """Deletes every object whose key begins with `prefix`. A repeated call deletes what an earlier one left."""
        assert prefix.endswith("/"), "else it takes a neighbour with it"
        with translated():
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                self._delete_all(page.get("Contents", ()))

    def delete_some(self, prefix: str, most: int) -> int:
        """Deletes up to `most` objects whose key begins with `prefix`; returns how many."""
        with translated():
            found = self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, MaxKeys=most).get("Contents", ())
            self._delete_all(found)
        return len(found)

    def _delete_all(self, found: Sequence[Mapping[str, Any]]) -> None:
        """Deletes the objects in one request: a listed page holds at most 1,000, which is S3's limit for a delete."""
        if not found:
            return
        keys = [{"Key": each["Key"]} for each in found]
        answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True})
        if errors := answer.get("Errors"):
            raise ObjectStoreUnavailable(f"{len(errors)} objects were not deleted, such as {errors[0]}")

    def abort_uploads(self, key: ObjectKey) -> None:
        """Deletes the parts that killed writers of this object left behind."""
        with translated():
            found = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key)
            for upload in found.get("Uploads", ()):
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"])

    def presign(self, key: ObjectKey, *, filename: str, content_type: str) -> str:
        """Returns a link that reads this object for `s3_presign_ttl_s` seconds, with the given file name and content
        type.
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
        """Raises `Misconfigured` when the bucket does not exist or refuses the credentials.

        A start or a probe waits for it, so it takes seconds at most.
        """
        with translated():
            try:
                self._hasty_client.head_bucket(Bucket=self._bucket)
            except NoCredentialsError as error:
                raise Misconfigured(f"no credentials: {_HOW_TO_SIGN}") from error
            except ClientError as error:
                raise self._fault(error) from error

    def _where(self, key: ObjectKey) -> Mapping[str, str]:
        return {"Bucket": self._bucket, "Key": key}

    def _fault(self, error: ClientError) -> Exception:
        """Translates the error of a HEAD, whose response has no body but the status."""
        match error.response["Error"]["Code"]:
            case "404":
                return Misconfigured(f"there is no bucket {self._bucket}: make it, or set GRIDPRESS_S3_BUCKET")
            case "403":
                return Misconfigured(f"the object store refuses these credentials: {_HOW_TO_SIGN}")
        return error


def open_objects(settings: Settings, *, is_hasty: bool = False) -> ObjectStore:
    """Opens a worker's object store and checks its credentials once.

    An object store that is down now is no error. Raises `Misconfigured` as `ObjectStore` and its `check` do.
    """
    objects = ObjectStore(settings, is_hasty=is_hasty)
    try:
        objects.check()
    except ObjectStoreUnavailable as error:
        log.warning("object_store.unavailable", error=str(error))
    return objects


def _chunks(body: Any) -> Iterator[bytes]:
    """Yields the body in chunks. Releases the connection even when the reader stops early."""
    with closing(body), translated():
        yield from body.iter_chunks(256 * 1024)
