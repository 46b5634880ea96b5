"""Streams all pictures of a batch as one tar or zip, with one chunk of one picture in memory."""

import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any, Self
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from api.responses.zip_records import Records
from api.services import Services
from shared.batches.batch import Batch
from shared.errors import ObjectNotFound
from shared.ids import ObjectKey

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_BLOCK = 512
_CHUNK = 256 * 1024
_SPOOLED = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Member:
    """A file of the archive. Its chunks can be read once, before the next member."""

    name: str
    num_bytes: int
    chunks: Iterable[bytes]


def tar_of(house: Services, batch: Batch, found: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Yields a tar of the pictures, then `manifest.jsonl`, which names them. Deleted pictures are left out."""
    for member in _members(house, batch, found):
        info = tarfile.TarInfo(member.name)
        info.size, info.mtime = member.num_bytes, int(batch.times.created_at.timestamp())
        yield info.tobuf(tarfile.USTAR_FORMAT)
        yield from member.chunks
        yield bytes(-member.num_bytes % _BLOCK)
    yield bytes(2 * _BLOCK)


def zip_of(house: Services, batch: Batch, found: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Yields the same as a zip, without compression: pictures are compressed already."""
    moment = batch.times.created_at.timetuple()[:6]
    with _Sink() as sink, Records() as records:
        with ZipFile(sink, "w", ZIP_STORED) as archive:  # type: ignore[call-overload]  # it asks for less than a file
            records.take_over(archive)
            for member in _members(house, batch, found):
                info = ZipInfo(member.name, moment)
                info.external_attr, info.file_size = 0o100644 << 16, member.num_bytes
                with archive.open(info, "w") as written:
                    for chunk in member.chunks:
                        written.write(chunk)
                        yield from sink.taken()
        yield from sink.taken()


class _Sink:
    """The output of a zip. It can't seek, so `ZipFile` writes sizes and checksums behind each member."""

    def __init__(self) -> None:
        self._written = SpooledTemporaryFile(_SPOOLED)  # noqa: SIM115 - closed by __exit__

    def write(self, data: bytes) -> int:
        return self._written.write(data)

    def flush(self) -> None:
        """Does nothing, since nothing is buffered."""

    def taken(self) -> Iterator[bytes]:
        """Yields all bytes written since the last call."""
        self._written.seek(0)
        yield from iter(lambda: self._written.read(_CHUNK), b"")
        self._written.seek(0)
        self._written.truncate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._written.close()


def _members(house: Services, batch: Batch, found: Iterable[dict[str, Any]]) -> Iterator[_Member]:
    with SpooledTemporaryFile(_SPOOLED) as manifest:
        for picture in found:
            try:
                chunks = house.objects.stream(ObjectKey(picture["key"]))
            except ObjectNotFound:
                continue
            name = _name(picture)
            yield _Member(f"{batch.batch_id}/{name}", picture["bytes"], chunks)
            manifest.write(json.dumps({**picture, "file": name}, ensure_ascii=False).encode() + b"\n")
        size = manifest.tell()
        manifest.seek(0)
        lines = iter(lambda: manifest.read(_CHUNK), b"")
        yield _Member(f"{batch.batch_id}/manifest.jsonl", size, lines)


def _name(picture: dict[str, Any]) -> str:
    """Returns the file name of a picture: line and index make it unique, the `custom_id` is for people."""
    words = _UNSAFE.sub("_", picture["custom_id"])[:80]
    return f"{picture['line']:06d}-{picture['index']}-{words}.{picture['content_type'].partition('/')[2]}"
