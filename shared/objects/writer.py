"""Writes an object of any size piece by piece, as an S3 multipart upload. At most one part is in memory."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import structlog

from shared.errors import ObjectStoreUnavailable
from shared.ids import ObjectKey
from shared.objects.errors import translated
from shared.objects.verification import Fingerprint, prove_written

log = structlog.get_logger()

# S3 accepts up to 10,000 parts, each of at least 5 MiB except the last. Parts of 8 MiB allow objects of 80 GB.
PART_BYTES = 8 * 1024 * 1024


def put_whole(client: Any, where: Mapping[str, str], data: bytes, content_type: str) -> None:
    """Writes an object in one request and verifies it. Raises `ObjectStoreUnavailable` if the write or the verification
    fails.
    """
    with translated():
        answer = client.put_object(**where, Body=data, ContentType=content_type)
    written = Fingerprint()
    written.add(data)
    prove_written(client, where, answer, written, (written.md5,))


class ObjectWriter:
    """Writes an object in a `with` statement: `with objects.writer(key, type) as writer: writer.write(data)`. The
    object exists once the statement has ended.

    If the body of the statement raises, neither the object nor its parts remain. Parts of a killed process remain until
    `ObjectStore.abort_uploads` or a lifecycle rule of the bucket deletes them. Raises `ObjectStoreUnavailable`, also if
    the stored object is missing or differs.
    """

    def __init__(self, client: Any, bucket: str, key: ObjectKey, content_type: str) -> None:
        self._client = client
        self._where = {"Bucket": bucket, "Key": key}
        self._content_type = content_type
        self._waiting = bytearray()
        self._upload_id: str | None = None
        self._parts: list[dict[str, object]] = []
        self._written = Fingerprint()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            self._abort()
            return
        try:
            self._finish()
        except BaseException:
            self._abort()
            raise

    def write(self, data: bytes) -> None:
        """Adds data to the object. Uploads a part whenever there is enough data for one."""
        self._waiting += data
        while len(self._waiting) >= PART_BYTES:
            self._send(bytes(self._waiting[:PART_BYTES]))
            del self._waiting[:PART_BYTES]

    def _send(self, data: bytes) -> None:
        with translated():
            if self._upload_id is None:
                begun = self._client.create_multipart_upload(**self._where, ContentType=self._content_type)
                self._upload_id = begun["UploadId"]
            number = len(self._parts) + 1
            sent = self._client.upload_part(**self._where, UploadId=self._upload_id, PartNumber=number, Body=data)
        if "ETag" not in sent:
            raise ObjectStoreUnavailable(f"the object store gave no ETag to part {number} of {self._where['Key']}")
        self._written.add(data)
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})

    def _finish(self) -> None:
        """Completes the upload of the object. Data that fits into one part is written in a single request."""
        if self._upload_id is None:
            put_whole(self._client, self._where, bytes(self._waiting), self._content_type)
            return
        if self._waiting:
            self._send(bytes(self._waiting))
        with translated():
            answer = self._client.complete_multipart_upload(
                **self._where, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
            )
        self._upload_id = None
        prove_written(self._client, self._where, answer, self._written, (self._written.etag_of_parts,))

    def _abort(self) -> None:
        if self._upload_id is None:
            return
        try:
            with translated():
                self._client.abort_multipart_upload(**self._where, UploadId=self._upload_id)
        except ObjectStoreUnavailable as error:  # the caller should see the error that caused the abort
            log.warning("object_store.upload_left", error=str(error))
