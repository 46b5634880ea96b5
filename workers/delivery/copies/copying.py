"""Copies the pictures of a job, and the result files of a batch, into the bucket of their tenant."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from shared.batches.batch import Batch, round_of_line
from shared.batches.outputs import file_name, stem_of
from shared.batches.pictures import pictures_of
from shared.errors import LeaseLost
from shared.files import FileId, file_key
from shared.ids import ObjectKey
from shared.jobs.job import Job, Picture
from shared.objects.bucket_client import BucketClient
from shared.objects.lines import split_lines
from shared.objects.store import ObjectStore
from shared.store.copies.copies import CopyClaim
from shared.store.copies.deletion import CopyDeletion

MANIFEST = "manifest.json"
_JSON, _JSON_LINES = "application/json", "application/jsonl"
_MOST_LINE_BYTES = 2**31  # a result line may hold whole pictures in base64
_RENEW_BYTES, _RENEW_S = 8 * 2**20, 30.0  # a part of a file, and a fourth of the lease


@dataclass(frozen=True, slots=True)
class Copying:
    """One copy under way. `renew` extends its lease and returns whether it is still held.

    All methods raise `BucketRefused`, `ObjectNotFound`, `ObjectStoreUnavailable` and `LeaseLost`. A repeated copy
    writes the same objects again.
    """

    objects: ObjectStore
    bucket: BucketClient
    renew: Callable[[], bool]
    now_s: Callable[[], float] = field(default=time.monotonic)

    def copy_job(self, job: Job, response: dict[str, Any]) -> str:
        """Copies the pictures of a job, and then its manifest: the job as the API returns it, with the names of the
        files. Returns the location of the folder.
        """
        place = self.bucket.place
        folder = place.folder_of_job(job.job_id)
        names = {index: f"{index}.{_suffix(job)}" for index, _ in _pictures(job)}
        for index, picture in _pictures(job):
            self._copy(picture, folder + names[index])
        files = [
            {"index": index, "file": names[index], "sha256": picture.sha256, "bytes": picture.num_bytes}
            for index, picture in _pictures(job)
        ]
        text = json.dumps({"version": 1, "job": response, "pictures": files}, ensure_ascii=False)
        self._renew()
        self.bucket.put(ObjectKey(folder + MANIFEST), text.encode(), _JSON)
        return place.location(folder)

    def copy_line(self, claim: CopyClaim, job: Job) -> str:
        """Copies the pictures of a batch line into the folder of its batch, with names after the `custom_id`.

        If the line was retried, pictures of an earlier try that the new ones do not replace are deleted.
        """
        assert claim.line_of
        custom_id, n, place = json.loads(claim.note)["custom_id"], len(job.renders), self.bucket.place
        folder, stem, written = place.folder_of_batch(claim.line_of), stem_of(custom_id), set()
        for index, picture in _pictures(job):
            key = ObjectKey(folder + file_name(stem, index, n, _suffix(job)))
            self._copy(picture, key)
            written.add(key)
        if round_of_line(job.job_id):
            self._renew()
            all_keys = CopyDeletion(batch_id=claim.line_of, custom_id=custom_id, n=n).keys(place)
            self.bucket.delete_keys([key for key in all_keys if key not in written])
        return place.location(folder)

    def copy_batch(self, batch: Batch) -> str:
        """Copies the output file and the error file of a batch, and writes a list of its pictures."""
        place = self.bucket.place
        folder = place.folder_of_batch(batch.batch_id)
        if batch.output_file_id:
            self._copy_file(batch.output_file_id, ObjectKey(folder + "output.jsonl"))
            listed = _listed(self._lines(batch.output_file_id))
            self.bucket.put_parts(ObjectKey(folder + "manifest.jsonl"), listed, _JSON_LINES)
        if batch.error_file_id:
            self._copy_file(batch.error_file_id, ObjectKey(folder + "errors.jsonl"))
        return place.location(folder)

    def _copy(self, picture: Picture, key: str) -> None:
        self._renew()
        data = self.objects.get(picture.key)
        self.bucket.put(ObjectKey(key), data, picture.content_type)

    def _copy_file(self, file_id: FileId, key: ObjectKey) -> None:
        self._renew()
        self.bucket.put_parts(key, self._renewing(self.objects.stream(file_key(file_id))), _JSON_LINES)

    def _lines(self, file_id: FileId) -> Iterator[dict[str, Any]]:
        """Yields the lines of a file. The lease is renewed by what is read: a line may hold whole pictures, of which
        the list of pictures keeps almost nothing.
        """
        self._renew()
        for _, raw in split_lines(self._renewing(self.objects.stream(file_key(file_id))), 0, _MOST_LINE_BYTES):
            yield from_json(raw)

    def _renewing(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yields the chunks, and renews the lease for every 8 MiB of them, or after 30 s if they come slower."""
        num_bytes, renewed_at_s = 0, self.now_s()
        for chunk in chunks:
            num_bytes += len(chunk)
            if num_bytes >= _RENEW_BYTES or self.now_s() - renewed_at_s >= _RENEW_S:
                self._renew()
                num_bytes, renewed_at_s = 0, self.now_s()
            yield chunk

    def _renew(self) -> None:
        if not self.renew():
            raise LeaseLost("the lease on the copy ended")


def _pictures(job: Job) -> Iterator[tuple[int, Picture]]:
    """Yields the index of each finished picture of a job, and the picture."""
    return ((render.index, render.picture) for render in job.renders if render.picture)


def _suffix(job: Job) -> str:
    return job.spec.settings.output_format.value


class _OwnNames:
    """Names lines as `copy_line` does, where no line knows the others."""

    def stem(self, custom_id: str) -> str:
        return stem_of(custom_id)


def _listed(lines: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Yields a description of each picture in the folder of a batch, as lines of JSON."""
    for line in lines:
        for picture in pictures_of(line, _OwnNames()):
            del picture["key"], picture["output_key"]  # of the service's own bucket
            yield json.dumps(picture, ensure_ascii=False).encode() + b"\n"
