"""Copies the pictures of a job, and the result files of a batch, into the bucket of their tenant."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from shared.batches.batch import Batch
from shared.batches.outputs import file_name, stem_of
from shared.batches.pictures import pictures_of
from shared.errors import LeaseLost
from shared.files import FileId, file_key
from shared.ids import ObjectKey
from shared.jobs.job import Job, Picture
from shared.objects.bucket_client import BucketClient
from shared.objects.store import ObjectStore
from shared.store.copies.copies import CopyClaim

MANIFEST = "manifest.json"
_JSON, _JSON_LINES = "application/json", "application/jsonl"
_MOST_LINE_BYTES = 2**31  # a result line may hold whole pictures in base64


@dataclass(frozen=True, slots=True)
class Copying:
    """One copy under way. `renew` extends its lease and returns whether it is still held.

    All methods raise `BucketRefused`, `ObjectNotFound`, `ObjectStoreUnavailable` and `LeaseLost`. A repeated copy
    writes the same objects again.
    """

    objects: ObjectStore
    bucket: BucketClient
    renew: Callable[[], bool]

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
        """Copies the pictures of a batch line into the folder of its batch, with names after the `custom_id`."""
        assert claim.line_of
        folder = self.bucket.place.folder_of_batch(claim.line_of)
        stem = stem_of(json.loads(claim.note)["custom_id"])
        for index, picture in _pictures(job):
            self._copy(picture, folder + file_name(stem, index, len(job.renders), _suffix(job)))
        return self.bucket.place.location(folder)

    def copy_batch(self, batch: Batch) -> str:
        """Copies the output file and the error file of a batch, and writes a list of its pictures."""
        place = self.bucket.place
        folder = place.folder_of_batch(batch.batch_id)
        if batch.output_file_id:
            self._copy_file(batch.output_file_id, ObjectKey(folder + "output.jsonl"))
            listed = self._renewing(_listed(self._lines(batch.output_file_id)))
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
        for _, raw in self.objects.lines(file_key(file_id), most_bytes=_MOST_LINE_BYTES):
            yield from_json(raw)

    def _renewing(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yields the chunks, and renews the lease for every 8 MiB of them."""
        num_bytes = 0
        for chunk in chunks:
            num_bytes += len(chunk)
            if num_bytes >= 8 * 2**20:
                self._renew()
                num_bytes = 0
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
