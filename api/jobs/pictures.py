"""The route of a finished picture. It returns the picture's bytes, or redirects to the object store."""

from flask import Blueprint, Response, request

from api.edge.authentication import caller
from api.edge.cors import let_pages_show
from api.jobs.thumbnails import PictureQuery, PictureSize, thumbnail_response
from api.responses.stored_objects import StoredObject, bytes_of, respond_with
from api.services import services
from shared.errors import ImageNotFound, ImageNotMade, ImageNotReady
from shared.ids import JobId
from shared.intake.fields import validated
from shared.jobs.job import Job, Picture

images = Blueprint("images", __name__, url_prefix="/v1/jobs/<job_id>/images")


@images.get("/<int:index>")
def read(job_id: str, index: int) -> Response:
    """Returns a finished picture, or redirects (302) to a presigned URL of it, as GRIDPRESS_S3_LINKS says.

    With `size` the API sends the bytes itself: those of a thumbnail, or of the picture.
    """
    size = validated(PictureQuery, request.args.to_dict()).size
    job = services().store.job(JobId(job_id), caller().tenant)
    return let_pages_show(_in_size(job, index, finished_picture(job, index), size))


def picture_response(job: Job, index: int, picture: Picture) -> Response:
    """Returns the response with a finished picture of a job."""
    return respond_with(_object_of(job, index, picture))


def _in_size(job: Job, index: int, picture: Picture, size: PictureSize | None) -> Response:
    match size:
        case None:
            return picture_response(job, index, picture)
        case PictureSize.ORIGINAL:
            return bytes_of(_object_of(job, index, picture))
    return thumbnail_response(job, index, picture, size)


def _object_of(job: Job, index: int, picture: Picture) -> StoredObject:
    filename = f"{job.job_id}-{index}.{job.spec.settings.output_format}"
    return StoredObject(picture.key, picture.content_type, filename, picture.sha256, num_bytes=picture.num_bytes)


def finished_picture(job: Job, index: int) -> Picture:
    """Returns a finished picture of a job. Raises `ImageNotFound`, `ImageNotMade` and `ImageNotReady`."""
    if index >= len(job.renders):
        raise ImageNotFound(f"{job.job_id} has {len(job.renders)} images, so no image {index}")
    render = job.renders[index]
    if render.picture:
        return render.picture
    if render.state.is_final:
        raise ImageNotMade(f"image {index} is {render.state}")
    raise ImageNotReady(f"image {index} is not finished: it is {render.state}")
