"""The route of a job's condition images, as both stages read them."""

from flask import Blueprint, Response, request

from api.edge.authentication import caller
from api.edge.cors import let_pages_show
from api.responses.stored_objects import BytesQuery, StoredObject, bytes_of, digest_of, respond_with
from api.services import services
from shared.errors import ImageNotFound
from shared.ids import JobId, ObjectKey
from shared.intake.fields import validated
from shared.jobs.job import Job

inputs = Blueprint("inputs", __name__, url_prefix="/v1/jobs/<job_id>/inputs")

_CONTENT_TYPE = "image/png"  # `shared.images.normalise` makes a PNG of every format


@inputs.get("/<int:index>")
def read(job_id: str, index: int) -> Response:
    """Returns a condition image of a job as PNG, or redirects (302) to a presigned URL of it, as GRIDPRESS_S3_LINKS
    says. `index` counts from 0, in the order of the request.

    It is the image that both stages read: upright, in RGB, scaled, and without the metadata of the file that was sent.
    """
    job = services().store.job(JobId(job_id), caller().tenant)
    key = _key(job, index)
    stored = StoredObject(key, _CONTENT_TYPE, f"{job.job_id}-input-{index}.png", digest_of(key))
    size = validated(BytesQuery, request.args.to_dict()).size
    return let_pages_show(bytes_of(stored) if size else respond_with(stored))


def _key(job: Job, index: int) -> ObjectKey:
    """Returns the object key of a condition image. Raises `ImageNotFound`."""
    images = job.spec.settings.images
    if index >= len(images):
        raise ImageNotFound(f"{job.job_id} has {len(images)} condition images, so no condition image {index}")
    return images[index]
