"""Returns small versions of finished pictures. Each is made at its first request and stored beside its picture."""

from enum import StrEnum

from flask import Response
from pydantic import BaseModel, ConfigDict, Field

from api.responses.stored_objects import StoredObject, bytes_of, digest_of
from api.services import Services, services
from shared.errors import ObjectNotFound
from shared.ids import ObjectKey
from shared.images.decoders import Encoded, decoders_of
from shared.images.thumbnail import CONTENT_TYPE
from shared.jobs.job import Job, Picture

_HOUR_S = 3600


class PictureSize(StrEnum):
    """The sizes in which a picture can be fetched. The number is the longer side in pixels, at most."""

    SMALL = "128"
    MEDIUM = "256"
    LARGE = "512"
    ORIGINAL = "original"


class PictureQuery(BaseModel):
    """The query parameters of a picture."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: PictureSize | None = Field(
        default=None,
        description="`128`, `256` or `512`: a thumbnail whose longer side has so many pixels, as WebP. `original`: the "
        "picture itself. The API sends the bytes of all these itself, and never redirects",
    )


def thumbnail_response(job: Job, index: int, picture: Picture, size: PictureSize) -> Response:
    """Returns the response with a thumbnail of a finished picture. Makes and stores the thumbnail if there is none.

    A browser may keep a thumbnail for an hour, so that scrolling back costs no request.
    """
    deps, key = services(), key_of(picture, size)
    num_bytes = _num_bytes(deps, job, picture, key, int(size))
    response = bytes_of(
        StoredObject(key, CONTENT_TYPE, f"{job.job_id}-{index}-{size}.webp", digest_of(key), num_bytes=num_bytes)
    )
    response.headers["Cache-Control"] = f"private, max-age={_HOUR_S}"
    response.vary.update(("Authorization", "Cookie"))
    return response


def key_of(picture: Picture, size: PictureSize) -> ObjectKey:
    """Returns the key of a picture's thumbnail. It is in the picture's folder, so it is deleted with the picture."""
    return ObjectKey(f"{picture.key.rpartition('/')[0]}/thumbnail-{size}.webp")


def _num_bytes(deps: Services, job: Job, picture: Picture, key: ObjectKey, longest_px: int) -> int:
    """Returns the number of bytes of a thumbnail, which is made and stored if there is none.

    Two requests at once may both make it. Their thumbnails are equal.
    """
    try:
        return deps.objects.num_bytes(key)
    except ObjectNotFound:
        decoders = decoders_of(deps.settings.max_image_pixels, deps.quotas.decoders)
        small = decoders.thumbnail(lambda: Encoded(deps.objects.get(picture.key)), job.spec.tenant, longest_px)
        deps.objects.put(key, small, CONTENT_TYPE)
        return len(small)
