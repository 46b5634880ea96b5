"""Verifies that the object store holds the bytes that were written. A response of 200 alone does not prove it.

The ETag in the response is usually the MD5 of the bytes. For a multipart upload it is the MD5 of the MD5s of the parts.
If the store returns a different ETag or none (as with SSE-KMS or SSE-C), the length is compared and the object is read
back.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import count
from typing import Any

import structlog
from botocore.exceptions import ClientError

from shared.errors import ObjectStoreUnavailable
from shared.metrics.catalogue import OBJECT_STORE_NOT_STORED
from shared.objects.errors import translated

log = structlog.get_logger()

_CHUNK_BYTES = 256 * 1024
_num_disproved = count(1)


class Fingerprint:
    """The length and MD5 of the bytes that an object should have. `add` is called for each part, in order."""

    def __init__(self) -> None:
        self.num_bytes = 0
        self._whole = hashlib.md5(usedforsecurity=False)
        self._parts: list[bytes] = []

    def add(self, part: bytes) -> None:
        self.num_bytes += len(part)
        self._whole.update(part)
        self._parts.append(hashlib.md5(part, usedforsecurity=False).digest())

    @property
    def md5(self) -> str:
        return self._whole.hexdigest()

    @property
    def etag_of_parts(self) -> str:
        """Returns the ETag that S3 gives to a multipart upload of these parts."""
        return f"{hashlib.md5(b''.join(self._parts), usedforsecurity=False).hexdigest()}-{len(self._parts)}"


def prove_written(
    client: Any, where: Mapping[str, str], answer: Mapping[str, Any], written: Fingerprint, etags: Sequence[str]
) -> None:
    """Verifies that the object at `where` (its bucket and key) equals the bytes that were just written.

    `answer` is S3's response to the write. An ETag in `etags` proves at once that the object is right. With any other
    ETag, the object is read back and compared. Raises `ObjectStoreUnavailable` if the object differs or is missing. The
    caller may write it again.
    """
    if _etag(answer) in etags:
        return
    with translated():
        head = _head(client, where)
        is_as_long = head is not None and int(head["ContentLength"]) == written.num_bytes
        if is_as_long and (_etag(head or {}) in etags or _md5_of(client, where) == written.md5):
            return
    raise _not_stored(where, _etag(answer), head)


def prove_copied(client: Any, source: Mapping[str, str], target: Mapping[str, str], answer: Mapping[str, Any]) -> None:
    """Verifies that an object equals the object from which the object store copied it. Raises `ObjectStoreUnavailable`
    if the copy differs or is missing.

    The ETag of a multipart copy may differ from the ETag of its source. In that case both objects are read and
    compared.
    """
    with translated():
        expected, head = client.head_object(**source), _head(client, target)
        if head is not None and head["ContentLength"] == expected["ContentLength"]:
            is_told = _etag(expected) and _etag(answer.get("CopyObjectResult", {})) == _etag(expected) == _etag(head)
            if is_told or _md5_of(client, source) == _md5_of(client, target):
                return
    raise _not_stored(target, _etag(answer.get("CopyObjectResult", {})), head)


def _etag(answer: Mapping[str, Any]) -> str:
    return str(answer.get("ETag", "")).strip('"').lower()


def _head(client: Any, where: Mapping[str, str]) -> Mapping[str, Any] | None:
    """Returns the response to a HEAD request for the object; None if there is no such object."""
    try:
        found: Mapping[str, Any] = client.head_object(**where)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
            return None
        raise
    return found


def _md5_of(client: Any, where: Mapping[str, str]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in _chunks(client, where):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(client: Any, where: Mapping[str, str]) -> Iterator[bytes]:
    with closing(client.get_object(**where)["Body"]) as body:
        yield from body.iter_chunks(_CHUNK_BYTES)


def _not_stored(where: Mapping[str, str], etag: str, head: Mapping[str, Any] | None) -> ObjectStoreUnavailable:
    """Logs that the object store lacks an object that was just written, and returns the error to raise.

    The log line has `num_so_far`, the number of these cases in this process. A single case may be an accident; many
    cases mean a broken object store.
    """
    found_bytes = None if head is None else head["ContentLength"]
    OBJECT_STORE_NOT_STORED.inc()
    log.error(
        "object_store.not_stored", key=where["Key"], etag=etag, found_bytes=found_bytes, num_so_far=next(_num_disproved)
    )
    return ObjectStoreUnavailable(f"the object store accepted the write of {where['Key']}, but does not hold it")
