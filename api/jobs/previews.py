"""Previews of a render in progress: their form in events, and the route that reads one."""

from collections.abc import Mapping

from flask import Blueprint, Response

from api.edge.callers import caller
from api.responses.downloads import download
from api.services import Services, services
from shared.errors import ImageNotFound
from shared.ids import JobId, ObjectKey
from shared.store.jobs.jobs import JobEvent

previews = Blueprint("previews", __name__, url_prefix="/v1/jobs/<job_id>/images/<int:index>/previews")

_EVENT = "render.preview"
_CONTENT_TYPE = "image/jpeg"


@previews.get("/<int:number>")
def read(job_id: str, index: int, number: int) -> Response:
    """Redirects (302) to a presigned URL, or returns the bytes when links are streamed; 404 before the preview
    exists.
    """
    house = services()
    job = house.store.job(JobId(job_id), caller().tenant)
    key = _key(house, job.job_id, index, number)
    if house.settings.s3_links == "streamed":
        return download(house.objects.stream(key), _CONTENT_TYPE)
    link = house.objects.presign(key, filename=f"{job_id}-{index}-{number}.jpeg", content_type=_CONTENT_TYPE)
    return Response(status=302, headers={"Location": link})


def shown(event: JobEvent, job_id: JobId, base: str) -> Mapping[str, object]:
    """Returns an event's data for clients. A preview's object key is replaced by a link to our route, which does not
    expire.
    """
    if event.type != _EVENT:
        return event.data
    data = dict(event.data)
    del data["key"]
    path = f"/v1/jobs/{job_id}/images/{data['index']}/previews/{data['number']}"
    return {**data, "url": base + path}


def _key(house: Services, job_id: JobId, index: int, number: int) -> ObjectKey:
    """Returns the object key of a preview. A render that began again made it twice; the newest counts.

    Raises `ImageNotFound`.
    """
    for event in reversed(house.store.events(job_id, after="0")):
        if event.type == _EVENT and (event.data["index"], event.data["number"]) == (index, number):
            return ObjectKey(str(event.data["key"]))
    raise ImageNotFound(f"{job_id} has no preview {number} of image {index}")
