"""Restores the records of ended jobs, for a store that has lost them. It uses their manifests, the JSON descriptions of
ended jobs in the object store.
"""

import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from shared.ids import JobId, ObjectKey, render_id
from shared.jobs.drawings import Drawings
from shared.jobs.job import Job, Picture
from shared.jobs.manifest import job_of_manifest, text_of_image
from shared.jobs.spec import JobSpec
from shared.jobs.states import JobStatus
from shared.schedule.cost import cost_of
from shared.store.core.connect import Client, translated
from shared.store.core.scripts import Scripts
from shared.store.jobs import codec
from shared.store.jobs.jobs import JobStore


class RestoredJobs:
    """Restores the records of ended jobs from their manifests. A manifest is a JSON object in the object store that
    describes an ended job. Every method raises `StoreUnavailable` when the store does not answer.
    """

    def __init__(self, client: Client, retention_s: float = float("inf")) -> None:
        """Creates a client of the store. A job that ended more than `retention_s` ago is restored as an index entry."""
        self._client = client
        self._retention_s = retention_s
        self._scripts = Scripts(client)

    def is_final(self, job_id: JobId) -> bool:
        """Returns whether the store has the job and the job has ended."""
        with translated():
            status = cast("str | None", self._client.hget(f"gridpress:job:{job_id}", "status"))
        return status is not None and JobStatus(status).is_final

    def restore(self, manifest: Mapping[str, Any]) -> bool:
        """Restores the records of the job that a manifest describes. Returns whether anything changed.

        A job in the store is left unchanged, with one exception: if the manifest says that the job was cancelled, it is
        cancelled again. Raises `ValueError` or `KeyError` for a manifest without a spec, as earlier versions wrote.
        """
        job, spec = manifest["job"], JobSpec.model_validate(manifest["spec"])
        job_id = JobId(job["id"])
        if self._is_over(job["finished_at"]):
            return self._restore_entry(job_of_manifest(manifest))
        keys = {each["index"]: each for each in manifest["pictures"]}
        renders: list[str] = []
        for image in job["images"]:
            fields = _render(job_id, image, keys.get(image["index"]), job)
            renders += [render_id(job_id, image["index"]), json.dumps(fields)]
        args = (job_id, spec.tenant, job["status"], json.dumps(_job(job, spec)), *renders)
        if self._scripts.run("restore", *args):
            return True
        if job["status"] == JobStatus.CANCELLED and not self.is_final(job_id):
            JobStore(self._client).cancel(job_id, spec.tenant)
            return True
        return False

    def _is_over(self, finished_at: str | None) -> bool:
        """Returns whether the retention of a job is over."""
        ended = datetime.fromisoformat(finished_at).timestamp() if finished_at else time.time()
        return time.time() - ended > self._retention_s

    def _restore_entry(self, job: Job) -> bool:
        num_bytes = sum(render.picture.num_bytes for render in job.renders if render.picture)
        spec, ended, ends = job.spec, job.finished_at, ""
        if spec.delete_after_s is not None and ended:
            ends = str(round((ended.timestamp() + spec.delete_after_s) * 1000))
        args = (job.job_id, spec.tenant, job.status, num_bytes, spec.model_dump_json(exclude_none=True), ends)
        return bool(self._scripts.run("restore_kept_job", *args))


def _job(job: Mapping[str, Any], spec: JobSpec) -> dict[str, str]:
    cost, created_ms, revision = cost_of(spec.settings), _ms(job["created_at"]), job["revision"] or ""
    start_timeout_ms, execution_timeout_ms, deadline_ms = codec.limits_ms(spec)
    fields = {
        "spec": spec.model_dump_json(exclude_none=True),
        "tenant": spec.tenant,
        "lane": codec.lane_of(spec, revision),
        "rank": created_ms,
        "status": job["status"],
        "revision": revision,
        "canary": 1 if job.get("canary") else None,  # manifests of earlier versions have none
        "n": spec.n,
        "created_ms": created_ms,
        "start_timeout_ms": start_timeout_ms,
        "execution_timeout_ms": execution_timeout_ms,
        "deadline_ms": deadline_ms,
        "delete_after_ms": None if spec.delete_after_s is None else spec.delete_after_s * 1000,
        "ar_cost": cost.ar,
        "dit_cost": cost.dit,
        "started_ms": _ms(job["started_at"]),
        "finished_ms": _ms(job["finished_at"]),
        **_enhancement(job),
    }
    return _texts(fields)


def _enhancement(job: Mapping[str, Any]) -> dict[str, Any]:
    found = job["enhancement"]
    if not found:
        return {}
    error = json.dumps(found["error"]) if found["error"] else None
    return {"enhancement": found["status"], "revised_prompt": job["revised_prompt"], "enhancement_error": error}


def _render(
    job_id: JobId, image: Mapping[str, Any], keys: Mapping[str, str] | None, job: Mapping[str, Any]
) -> dict[str, str]:
    reused = image.get("reused_from")  # manifests of earlier versions have none
    fields: dict[str, Any] = {
        "job": job_id,
        "index": image["index"],
        "state": image["status"],
        "seed": image["seed"],
        "fence": image["attempts"],
        "dit_attempts": image["attempts"],
        "ended_in": image["ended_in"],
        "error": json.dumps(image["error"]) if image["error"] else None,
        "finished_ms": _ms(job["finished_at"]),
        "reused_from": render_id(JobId(reused["job_id"]), reused["index"]) if reused else None,
    }
    if keys:
        text = text_of_image(image)
        fields["text"] = Drawings(result=text).as_text() if text else None
        key, manifest_key = ObjectKey(keys["key"]), ObjectKey(keys["manifest_key"])
        picture = Picture(key, manifest_key, image["sha256"], image["bytes"], image["content_type"])
        fields |= {"picture": codec.encode_picture(picture), "stored": picture.num_bytes}
    return _texts(fields)


def _texts(fields: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in fields.items() if value is not None}


def _ms(moment: str | None) -> int | None:
    return None if moment is None else round(datetime.fromisoformat(moment).timestamp() * 1000)
