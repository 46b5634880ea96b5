"""Writes one object piece by piece as an S3 multipart upload: one part in memory, whatever its size."""

from types import TracebackType
from typing import Any, Self

import structlog

from shared.errors import ObjectStoreUnavailable
from shared.ids import ObjectKey
from shared.object_errors import translated

log = structlog.get_logger()

# S3 takes parts from 5 MiB (but for the last) and 10,000 of them: 80 GB are enough.
PART_BYTES = 8 * 1024 * 1024


class ObjectWriter:
    """`with objects.writer(key, type) as writer: writer.write(data)`: the object is there once the block has ended.

    A block that ends by an exception leaves neither an object nor parts behind; only parts of a process that was killed
    stay, until `ObjectStore.abort_uploads` or a rule of the bucket takes them. Raises `ObjectStoreUnavailable`.
    """

    def __init__(self, client: Any, bucket: str, key: ObjectKey, content_type: str) -> None:
        self._client = client
        self._where = {"Bucket": bucket, "Key": key}
        self._content_type = content_type
        self._waiting = bytearray()
        self._upload_id: str | None = None
        self._parts: list[dict[str, object]] = []

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
        """Sends a part whenever there is enough for one."""
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
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})

    def _finish(self) -> None:
        """What fits into one part needs no upload of several."""
        if self._upload_id is None:
            with translated():
                self._client.put_object(**self._where, Body=bytes(self._waiting), ContentType=self._content_type)
            return
        if self._waiting:
            self._send(bytes(self._waiting))
        with translated():
            self._client.complete_multipart_upload(
                **self._where, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
            )

    def _abort(self) -> None:
        if self._upload_id is None:
            return
        try:
            with translated():
                self._client.abort_multipart_upload(**self._where, UploadId=self._upload_id)
        except ObjectStoreUnavailable as error:  # the reason that we are here for is the one to tell
            log.warning("object_store.upload_left", error=str(error))
