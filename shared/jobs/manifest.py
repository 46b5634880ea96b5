"""Reads the manifest of a job: the JSON object that describes an ended job in the object store. Does no I/O."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from shared.ids import JobId, ObjectKey, Revision, render_id
from shared.jobs.bucket_copy import BucketCopy, CopyStatus
from shared.jobs.enhancement import Enhancement, EnhancementStatus
from shared.jobs.job import EndedIn, Job, Picture, Render
from shared.jobs.leases import Progress
from shared.jobs.spec import JobSpec
from shared.jobs.states import JobStatus, RenderState
from shared.jobs.text_check import Reading, TextResult

Json = Mapping[str, Any]


def manifest_key(job_id: JobId) -> ObjectKey:
    """Returns the object key of a job's manifest.

    The key depends on the job id alone, so the manifest can be found without the job's record.
    """
    return ObjectKey(f"jobs/{job_id}/manifest.json")


def job_of_manifest(manifest: Json) -> Job:
    """Returns the job that a manifest describes, as the API showed it when the manifest was written.

    A manifest tells how long each stage took, and not when it began. So the times within a job are only as far from
    each other as they were. Raises `ValueError`, `KeyError` or `TypeError` for a manifest that tells too little, as
    early releases wrote.
    """
    told, spec = manifest["job"], JobSpec.model_validate(manifest["spec"])
    keys = {each["index"]: each for each in manifest["pictures"]}
    job_id = JobId(told["id"])
    return Job(
        job_id=job_id,
        spec=spec,
        status=JobStatus(told["status"]),
        revision=Revision(told["revision"] or ""),
        renders=tuple(_render(job_id, spec, told, image, keys.get(image["index"])) for image in told["images"]),
        created_at=datetime.fromisoformat(told["created_at"]),
        started_at=_moment(told["started_at"]),
        finished_at=_moment(told["finished_at"]),
        enhancement=_enhancement(told),
        is_canary=told.get("canary", False),
        bucket_copy=_bucket_copy(told.get("bucket_copy")),  # manifests of earlier versions have none
    )


def _bucket_copy(told: Json | None) -> BucketCopy | None:
    return BucketCopy(CopyStatus(told["status"]), told["location"], told["error"]) if told else None


def _render(job_id: JobId, spec: JobSpec, told: Json, image: Json, keys: Json | None) -> Render:
    reused = image.get("reused_from")  # manifests of earlier versions have none
    created_at, finished_at = datetime.fromisoformat(told["created_at"]), _moment(told["finished_at"])
    ar_s, dit_s, done = image["timings"]["ar_s"], image["timings"]["dit_s"], image["progress"]
    began_at = None if ar_s is None else (_moment(told["started_at"]) or created_at)
    ready_at = began_at + timedelta(seconds=ar_s) if began_at else created_at if spec.prior else None
    decoded_from = None if dit_s is None or finished_at is None else finished_at - timedelta(seconds=dit_s)
    return Render(
        render_id=render_id(job_id, image["index"]),
        index=image["index"],
        state=RenderState(image["status"]),
        seed=image["seed"],
        progress=Progress(done["done"], done["total"]) if done else None,
        picture=_picture(image, keys) if keys else None,
        error=image["error"],
        ended_in=EndedIn(image["ended_in"]) if image["ended_in"] else None,
        attempts=_attempts(image["attempts"], began_at, decoded_from),
        prior_started_at=began_at,
        prior_ready_at=ready_at,
        decode_started_at=decoded_from,
        finished_at=finished_at,
        reused_from=render_id(JobId(reused["job_id"]), reused["index"]) if reused else None,
        text=text_of_image(image),
    )


def text_of_image(image: Json) -> TextResult | None:
    """Returns the result of the text check of a picture in a manifest. Returns None if the picture has none."""
    told = image.get("text_check")  # manifests of earlier versions have none
    if not told:
        return None
    reading = None
    if told["matches"] is not None:
        reading = Reading(text=told["read"], is_match=told["matches"], edit_distance=told["edit_distance"])
    return TextResult(num_redraws=told["redraws"], reading=reading, error=told["error"])


def _picture(image: Json, keys: Json) -> Picture:
    key, manifest_key = ObjectKey(keys["key"]), ObjectKey(keys["manifest_key"])
    return Picture(key, manifest_key, image["sha256"], image["bytes"], image["content_type"])


def _attempts(num_tries: int, *stages_began_at: datetime | None) -> int:
    """Returns the number of claims of both stages, as `Render.num_tries` counts them."""
    num_stages = sum(moment is not None for moment in stages_began_at)
    return num_tries - 1 + max(1, num_stages) if num_tries else 0


def _enhancement(told: Json) -> Enhancement | None:
    found = told["enhancement"]
    return Enhancement(EnhancementStatus(found["status"]), told["revised_prompt"], found["error"]) if found else None


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
