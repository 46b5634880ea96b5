"""The manifest of a job: one JSON object in the object store that outlives the job's time in the job store."""

import json
from collections.abc import Mapping

from shared.ids import JobId, ObjectKey
from shared.jobs import Job
from shared.objects import ObjectStore


def manifest_key(job_id: JobId) -> ObjectKey:
    """Derived from the job id alone, so that it can be found when the store has forgotten the job."""
    return ObjectKey(f"jobs/{job_id}/manifest.json")


def write_manifest(objects: ObjectStore, job: Job, answer: Mapping[str, object]) -> None:
    """`answer` (what a client reads of the job) and the keys of its pictures and their manifests. Safe to repeat."""
    pictures = [
        {"index": render.index, "key": render.picture.key, "manifest_key": render.picture.manifest_key}
        for render in job.renders
        if render.picture
    ]
    body = {"version": 1, "job": answer, "pictures": pictures}
    objects.put(manifest_key(job.job_id), json.dumps(body, ensure_ascii=False).encode(), "application/json")
