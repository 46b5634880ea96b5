"""Writes into the bucket of a tenant, checks it, and deletes its copies. Every request has a time limit."""

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.handlers import add_expect_header

from shared.egress.client import EgressClient
from shared.egress.errors import EgressFailed, EgressRefused
from shared.errors import GridpressError, Misconfigured
from shared.ids import ObjectKey
from shared.objects.bucket_credentials import BucketCredentials
from shared.objects.bucket_errors import BucketRefused, access_field, field_and_reason, shown_code
from shared.objects.egress_session import REQUEST_S, EgressSession
from shared.objects.sealing import SealBroken
from shared.objects.tenant_bucket import TenantBucket

_PART_BYTES = 8 * 2**20
_MOST_DELETED = 1000  # objects in one request
_MOST_LISTED = 500  # objects in one response, so that it stays below the size limit with the longest names
_OF_REQUEST = (ClientError, BotoCoreError, EgressRefused, EgressFailed, SealBroken, Misconfigured, ValueError)
_OF_RESPONSE = (LookupError, TypeError, AttributeError)  # a part is missing or is something else
_making = threading.Lock()  # botocore's loader, which all clients share, is not safe for several threads


class BucketClient:
    """The bucket of one tenant. Every method raises `BucketRefused` with the reason in one line.

    `pace` measures how long its requests take.
    """

    def __init__(
        self,
        place: TenantBucket,
        egress: EgressClient,
        credentials: BucketCredentials,
        *,
        timeout_s: float = REQUEST_S,
    ) -> None:
        """Creates a client without sending anything. `timeout_s` is the time limit of each request.

        Raises `BucketRefused` if the secret key can't be decrypted.
        """
        self.place = place
        session = EgressSession(egress, timeout_s)
        self.pace = session.pace
        with _explained(place):
            self._client = _s3_client(place, session, credentials)

    def put(self, key: ObjectKey, data: bytes, content_type: str) -> None:
        """Writes an object. The request is signed with the SHA-256 of the bytes, which S3 compares. Afterwards the size
        of the stored object is compared too.
        """
        with _explained(self.place):
            self._client.put_object(Bucket=self.place.bucket, Key=key, Body=data, ContentType=content_type)
            self._compare_size(key, len(data))

    def put_parts(self, key: ObjectKey, chunks: Iterable[bytes], content_type: str) -> None:
        """Writes an object of any size. At most one part of 8 MiB is in memory."""
        parts = _in_parts(chunks)
        first, second = next(parts, b""), next(parts, None)
        if second is None:
            return self.put(key, first, content_type)
        where = {"Bucket": self.place.bucket, "Key": key}
        with _explained(self.place):
            upload_id = self._client.create_multipart_upload(**where, ContentType=content_type)["UploadId"]
        try:
            self._upload(key, upload_id, _and_then(first, second, parts))
        except BaseException:
            with suppress(BucketRefused), _explained(self.place):  # the first error is the one to show
                self._client.abort_multipart_upload(**where, UploadId=upload_id)
            raise
        return None

    def _upload(self, key: ObjectKey, upload_id: str, parts: Iterable[bytes]) -> None:
        where, sent, num_bytes = {"Bucket": self.place.bucket, "Key": key, "UploadId": upload_id}, [], 0
        for number, part in enumerate(parts, start=1):
            with _explained(self.place):
                tag = self._client.upload_part(**where, PartNumber=number, Body=part)["ETag"]
            sent.append({"PartNumber": number, "ETag": tag})
            num_bytes += len(part)
        with _explained(self.place):
            self._client.complete_multipart_upload(**where, MultipartUpload={"Parts": sent})
            self._compare_size(key, num_bytes)

    def check(self, is_own: Callable[[ObjectKey], bool] = lambda _: False) -> bool:
        """Writes, reads and deletes a small object under the prefix, and lists the prefix. Deletes it as copies are.

        `is_own` says whether the bucket of the service has an object. Returns whether it has not this one.
        """
        key, data = ObjectKey(f"{self.place.prefix}gridpress-check-{secrets.token_hex(8)}"), secrets.token_bytes(32)
        where = {"Bucket": self.place.bucket, "Key": key}
        with _explained(self.place, "may not be written to"):
            self._client.put_object(**where, Body=data, ContentType="application/octet-stream")
        try:
            with _explained(self.place, "may not be read"):
                found = self._client.get_object(**where)["Body"].read()
                self._client.list_objects_v2(Bucket=self.place.bucket, Prefix=key, MaxKeys=1)
            is_elsewhere = not is_own(key)
        except GridpressError:
            with suppress(BucketRefused):  # the first error is the one to show
                self.delete_keys([key])
            raise
        self.delete_keys([key], "may not be deleted from")
        if found != data:
            raise BucketRefused("returned other bytes than were written", "bucket")
        return is_elsewhere

    def page(self, folder: str, token: str | None = None) -> tuple[list[ObjectKey], str | None]:
        """Returns up to 500 keys of a folder and of the folders below it, and the token of the next page; None after
        the last. A token is what the previous call returned.
        """
        assert folder.endswith("/"), "without the slash, objects of other folders would be listed"
        more = {"ContinuationToken": token} if token else {}
        with _explained(self.place):
            found = self._client.list_objects_v2(Bucket=self.place.bucket, Prefix=folder, MaxKeys=_MOST_LISTED, **more)
            keys = [ObjectKey(each["Key"]) for each in found.get("Contents", ())]
        if not all(key.startswith(folder) for key in keys):
            raise BucketRefused(f"the bucket {self.place.bucket} lists objects of other folders than asked", "bucket")
        return keys, found.get("NextContinuationToken")

    def delete_some(self, folder: str) -> int:
        """Deletes up to 500 objects of a folder. Returns how many were deleted."""
        keys, _ = self.page(folder)
        self.delete_keys(keys)
        return len(keys)

    def delete_keys(self, keys: Sequence[ObjectKey], what: str = "refuses to delete") -> None:
        """Deletes up to 1,000 objects. Objects that don't exist count as deleted. `what` ends the text of an error."""
        assert len(keys) <= _MOST_DELETED
        if not keys:
            return
        objects = [{"Key": key} for key in keys]
        with _explained(self.place, what):
            deleted = self._client.delete_objects(Bucket=self.place.bucket, Delete={"Objects": objects, "Quiet": True})
            errors = deleted.get("Errors", ())
            code = shown_code(str(errors[0].get("Code", ""))) if errors else ""
        if errors:
            reason = f"the bucket {self.place.bucket} {what}: {len(errors)} objects stay ({code})"
            raise BucketRefused(reason, access_field(self.place))

    def _compare_size(self, key: ObjectKey, num_bytes: int) -> None:
        found = self._client.head_object(Bucket=self.place.bucket, Key=key)["ContentLength"]
        if found != num_bytes:
            raise BucketRefused(f"holds {found} of {num_bytes} bytes of {key}", "bucket")


@contextmanager
def _explained(place: TenantBucket, what: str = "refuses") -> Iterator[None]:
    """Translates the errors of the body of the `with` statement into `BucketRefused`.

    The body reads what it needs of a response, because the server belongs to the tenant and may leave out anything.
    """
    try:
        yield
    except (*_OF_REQUEST, *_OF_RESPONSE) as error:
        field, reason = field_and_reason(error, place, what)
        raise BucketRefused(reason, field) from error


def _s3_client(place: TenantBucket, http: EgressSession, credentials: BucketCredentials) -> Any:
    session = credentials.session_of(place)  # may ask the machine for its credentials, so other threads must not wait
    with _making:
        client = boto3.Session(botocore_session=session).client(
            "s3",
            endpoint_url=place.address,
            region_name=place.region,
            config=Config(
                signature_version="s3v4",
                # The SHA-256 of the body is signed also over TLS, so that S3 compares it with what arrived.
                s3={"addressing_style": "path", "payload_signing_enabled": True},
                retries={"mode": "standard", "total_max_attempts": 1},  # the job store keeps what is to be tried again
                user_agent="gridpress",
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
    client.meta.events.unregister("before-call.s3", add_expect_header)
    client._endpoint.http_session.close()
    client._endpoint.http_session = http
    return client


def _in_parts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yields the chunks joined to parts of 8 MiB. The last part may be smaller."""
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) >= _PART_BYTES:
            yield bytes(waiting[:_PART_BYTES])
            del waiting[:_PART_BYTES]
    if waiting:
        yield bytes(waiting)


def _and_then(first: bytes, second: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield second
    yield from rest
