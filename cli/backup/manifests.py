"""Restores ended jobs, which the job store lost, from their manifests in the object store."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from shared.errors import ObjectNotFound
from shared.ids import JobId, ObjectKey
from shared.objects.store import ObjectStore
from shared.store.core.connect import Client, translated
from shared.store.jobs.restore import RestoredJobs

_THREADS = 8
_AT_ONCE = 200
_JOBS = "jobs/"
# The folders with objects of other records, the keys of these records, and what they are called.
_OTHERS = (("batches/", "gridpress:batch:", "batches"), ("files/", "gridpress:file:", "files"))


@dataclass(slots=True)
class Found:
    """What a search of the object store found: the number of restored jobs and of jobs that the store had, jobs without
    a manifest, and jobs whose manifest can't be used.
    """

    num_restored: int = 0
    num_known: int = 0
    unfinished: list[JobId] = field(default_factory=list)
    unreadable: list[JobId] = field(default_factory=list)


def restore_jobs(client: Client, objects: ObjectStore, retention_s: float) -> Found:
    """Restores the records of all ended jobs that have a manifest. Jobs that the store has stay as they are. A job that
    ended more than `retention_s` ago gets an index entry instead of records.

    May be repeated. Raises `StoreUnavailable` and `ObjectStoreUnavailable`.
    """
    jobs, found = RestoredJobs(client, retention_s), Found()
    names = (JobId(folder.removeprefix(_JOBS).rstrip("/")) for folder in objects.folders(_JOBS))
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="manifests") as pool:
        while page := list(islice(names, _AT_ONCE)):
            lost = [job_id for job_id in page if not jobs.is_final(job_id)]
            found.num_known += len(page) - len(lost)
            manifests = pool.map(lambda job_id: _manifest(objects, job_id), lost)
            for job_id, manifest in zip(lost, manifests, strict=True):
                _restore(jobs, job_id, manifest, found)
    return found


def unknown_records(client: Client, objects: ObjectStore) -> Iterator[tuple[int, str]]:
    """Yields how many batches and files have objects and no record in the store, and which of the two they are."""
    for prefix, key, kind in _OTHERS:
        names = {name for page in objects.entries(prefix) for name in (each.key.split("/")[1] for each in page)}
        with translated():
            yield sum(not client.exists(f"{key}{name}") for name in names), kind


def _manifest(objects: ObjectStore, job_id: JobId) -> bytes | None:
    """Returns the manifest of a job; b"" if the job has objects and no manifest, and None if it has no object.

    Some object stores list the empty folders of deleted jobs.
    """
    folder = f"{_JOBS}{job_id}/"
    try:
        return objects.get(ObjectKey(f"{folder}manifest.json"))
    except ObjectNotFound:
        return b"" if next(objects.entries(folder), None) else None


def _restore(jobs: RestoredJobs, job_id: JobId, manifest: bytes | None, found: Found) -> None:
    if not manifest:
        found.unfinished += [] if manifest is None else [job_id]
        return
    try:
        if jobs.restore(json.loads(manifest)):
            found.num_restored += 1
        else:
            found.num_known += 1
    except (ValueError, KeyError, TypeError):  # a manifest of an earlier version
        found.unreadable.append(job_id)
