"""All pictures of a batch as one tar, made while it is sent: a chunk of one picture in memory."""

import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from tempfile import SpooledTemporaryFile
from typing import Any

from api.services import Services
from shared.batches import Batch
from shared.errors import ObjectNotFound
from shared.ids import ObjectKey

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_BLOCK = 512
_CHUNK = 256 * 1024
_SPOOLED = 1024 * 1024


def tar_of(house: Services, batch: Batch, found: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """`manifest.jsonl` comes last: it names the pictures that are there. One that was deleted is left out."""
    with SpooledTemporaryFile(_SPOOLED) as manifest:
        for picture in found:
            try:
                chunks = house.objects.stream(ObjectKey(picture["key"]))
            except ObjectNotFound:
                continue
            name = _name(picture)
            yield from _member(batch, name, picture["bytes"], chunks)
            manifest.write(json.dumps({**picture, "file": name}, ensure_ascii=False).encode() + b"\n")
        size = manifest.tell()
        manifest.seek(0)
        yield from _member(batch, "manifest.jsonl", size, iter(lambda: manifest.read(_CHUNK), b""))
    yield bytes(2 * _BLOCK)


def _name(picture: dict[str, Any]) -> str:
    """Unique by its number; the rest is for people."""
    words = _UNSAFE.sub("_", picture["custom_id"])[:80]
    return f"{picture['line']:06d}-{picture['index']}-{words}.{picture['content_type'].partition('/')[2]}"


def _member(batch: Batch, name: str, num_bytes: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
    info = tarfile.TarInfo(f"{batch.batch_id}/{name}")
    info.size, info.mtime = num_bytes, int(batch.times.created_at.timestamp())
    yield info.tobuf(tarfile.USTAR_FORMAT)
    yield from chunks
    yield bytes(-num_bytes % _BLOCK)
