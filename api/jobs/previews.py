"""The route that returns a preview of a running render, and the event data that links to a preview."""

from collections.abc import Mapping

from flask import Blueprint, Response, request

from api.edge.authentication import caller
from api.edge.cors import let_pages_show
from api.responses.stored_objects import BytesQuery, StoredObject, bytes_of, digest_of, respond_with
from api.services import Services, services
from shared.errors import ImageNotFound
from shared.ids import JobId, ObjectKey
from shared.intake.fields import validated
from shared.store.jobs.jobs import JobEvent

previews = Blueprint("previews", __name__, url_prefix="/v1/jobs/<job_id>/images/<int:index>/previews")

_EVENT = "render.preview"
_CONTENT_TYPE = "image/jpeg"


@previews.get("/<int:number>")
def read(job_id: str, index: int, number: int) -> Response:
    """Returns a preview, or redirects (302) to a presigned URL of it, as GRIDPRESS_S3_LINKS says. Returns 404 before
    the preview exists.
    """
    deps = services()
    job = deps.store.job(JobId(job_id), caller().tenant)
    key = _key(deps, job.job_id, index, number)
    stored = StoredObject(key, _CONTENT_TYPE, f"{job_id}-{index}-{number}.jpeg", digest_of(key))
    size = validated(BytesQuery, request.args.to_dict()).size
    return let_pages_show(bytes_of(stored) if size else respond_with(stored))


def event_for_client(event: JobEvent, job_id: JobId, base: str) -> Mapping[str, object]:
    """Returns the data of a job's event as clients receive it.

    For a preview, the data has a link to a route of this API instead of the object's key. The link does not expire.
    """
    if event.type != _EVENT:
        return event.data
    data = dict(event.data)
    del data["key"]
    path = f"/v1/jobs/{job_id}/images/{data['index']}/previews/{data['number']}"
    return {**data, "url": base + path}


def _key(deps: Services, job_id: JobId, index: int, number: int) -> ObjectKey:
    """Returns the object key of a preview. Raises `ImageNotFound`.

    If a render was started again, there are two previews with the same number. This returns the key of the newer one.
    """
    for event in reversed(deps.store.events(job_id, after="0")):
        if event.type == _EVENT and (event.data["index"], event.data["number"]) == (index, number):
            return ObjectKey(str(event.data["key"]))
    raise ImageNotFound(f"{job_id} has no preview {number} of image {index}")
