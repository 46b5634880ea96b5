"""Streams all pictures of a batch as one tar or zip archive, with one chunk of one picture in memory at a time."""

import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any, Self
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from api.responses.zip_records import Records
from api.services import Services
from shared.batches.batch import Batch
from shared.batches.outputs import MANIFEST
from shared.errors import ObjectNotFound
from shared.ids import ObjectKey

_BLOCK = 512
_CHUNK = 256 * 1024
_SPOOLED = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Member:
    """A file in an archive of pictures. Its chunks can be read only once, before the next file is requested."""

    name: str
    num_bytes: int
    chunks: Iterable[bytes]


def tar_of(deps: Services, batch: Batch, found: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Yields the bytes of a tar archive of a batch's pictures. Leaves out pictures that were deleted.

    `found` has one description for each picture. The last file of the archive, `manifest.jsonl`, lists the pictures
    with their file names.
    """
    for member in _members(deps, batch, found):
        info = tarfile.TarInfo(member.name)
        info.size, info.mtime = member.num_bytes, int(batch.times.created_at.timestamp())
        yield info.tobuf(tarfile.USTAR_FORMAT)
        yield from member.chunks
        yield bytes(-member.num_bytes % _BLOCK)
    yield bytes(2 * _BLOCK)


def zip_of(deps: Services, batch: Batch, found: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Yields the bytes of a zip archive of a batch's pictures, without compression: pictures are already compressed.

    The archive has the same files as the tar archive. The last file is `manifest.jsonl`.
    """
    moment = batch.times.created_at.timetuple()[:6]
    with _Sink() as sink, Records() as records:
        with ZipFile(sink, "w", ZIP_STORED) as archive:  # type: ignore[call-overload]  # it asks for less than a file
            records.take_over(archive)
            for member in _members(deps, batch, found):
                info = ZipInfo(member.name, moment)
                info.external_attr, info.file_size = 0o100644 << 16, member.num_bytes
                with archive.open(info, "w") as written:
                    for chunk in member.chunks:
                        written.write(chunk)
                        yield from sink.taken()
        yield from sink.taken()


class _Sink:
    """The output stream of a zip archive that is sent while it is written.

    It has no `seek`, so `ZipFile` writes the size and the checksum of each member after the member.
    """

    def __init__(self) -> None:
        self._written = SpooledTemporaryFile(_SPOOLED)  # noqa: SIM115 - closed by __exit__

    def write(self, data: bytes) -> int:
        return self._written.write(data)

    def flush(self) -> None:
        """Does nothing. `ZipFile` requires its output stream to have this method."""

    def taken(self) -> Iterator[bytes]:
        """Yields all bytes of the archive that were written since the last call of `taken`, in chunks."""
        self._written.seek(0)
        yield from iter(lambda: self._written.read(_CHUNK), b"")
        self._written.seek(0)
        self._written.truncate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._written.close()


def _members(deps: Services, batch: Batch, found: Iterable[dict[str, Any]]) -> Iterator[_Member]:
    with SpooledTemporaryFile(_SPOOLED) as manifest:
        for picture in found:
            try:
                chunks = deps.objects.stream(ObjectKey(picture["key"]))
            except ObjectNotFound:
                continue
            yield _Member(f"{batch.batch_id}/{picture['file']}", picture["bytes"], chunks)
            manifest.write(json.dumps(picture, ensure_ascii=False).encode() + b"\n")
        size = manifest.tell()
        manifest.seek(0)
        lines = iter(lambda: manifest.read(_CHUNK), b"")
        yield _Member(f"{batch.batch_id}/{MANIFEST}", size, lines)
