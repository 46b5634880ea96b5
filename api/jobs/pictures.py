"""The route of a finished picture.

It redirects to the object store. If the setting GRIDPRESS_S3_LINKS is `streamed`, it returns the picture's bytes.
"""

from flask import Blueprint, Response

from api.edge.authentication import caller
from api.responses.downloads import download
from api.services import services
from shared.errors import ImageNotFound, ImageNotMade, ImageNotReady
from shared.ids import JobId
from shared.jobs.job import Job, Picture

images = Blueprint("images", __name__, url_prefix="/v1/jobs/<job_id>/images")


@images.get("/<int:index>")
def read(job_id: str, index: int) -> Response:
    """Redirects (302) to a presigned URL of a finished picture.

    If GRIDPRESS_S3_LINKS is `streamed`, returns the picture's bytes instead.
    """
    deps = services()
    job = deps.store.job(JobId(job_id), caller().tenant)
    picture = _finished(job, index)
    filename = f"{job_id}-{index}.{job.spec.settings.output_format}"
    if deps.settings.s3_links == "streamed":
        chunks = deps.objects.stream(picture.key)
        return download(chunks, picture.content_type, filename=filename, num_bytes=picture.num_bytes)
    link = deps.objects.presign(picture.key, filename=filename, content_type=picture.content_type)
    return Response(status=302, headers={"Location": link})


def _finished(job: Job, index: int) -> Picture:
    if index >= len(job.renders):
        raise ImageNotFound(f"{job.job_id} has {len(job.renders)} images, so no image {index}")
    render = job.renders[index]
    if render.picture:
        return render.picture
    if render.state.is_final:
        raise ImageNotMade(f"image {index} is {render.state}")
    raise ImageNotReady(f"image {index} is not finished: it is {render.state}")
