"""Signed links to finished pictures. A link needs no API key, expires, and permits only that picture.

OpenAI's and Z.ai's responses have these links. A browser can show them, and HEAD, ranges and conditional requests work.
"""

import hmac
import re
import time

from flask import Blueprint, Response

from api.edge import idempotency
from api.edge.proxies import base_url
from api.jobs.pictures import finished_picture, picture_response
from api.services import Services, services
from shared.errors import ImageNotFound
from shared.ids import JobId
from shared.jobs.job import Job

picture_links = Blueprint("picture_links", __name__, url_prefix="/v1/jobs/<job_id>/images/<int:index>/links")

_NAME = re.compile(r"([0-9]{1,12})-([0-9a-f]{64})\.(png|webp|jpeg)")


def link_of(deps: Services, job: Job, index: int) -> str:
    """Returns a link to a finished picture, and marks the response as one that contains links that expire.

    The link is valid for GRIDPRESS_S3_PRESIGN_TTL_S seconds.
    """
    idempotency.mark_expiring_links()
    expires_at = int(time.time()) + deps.settings.s3_presign_ttl_s
    name = f"{expires_at}-{_signature(deps, job.job_id, index, expires_at)}.{job.spec.settings.output_format}"
    return f"{base_url()}/v1/jobs/{job.job_id}/images/{index}/links/{name}"


@picture_links.get("/<name>")
def read(job_id: str, index: int, name: str) -> Response:
    """Returns the picture to which a signed link leads, or redirects to it. An expired or invalid link leads to the
    error 404.
    """
    deps, found = services(), _NAME.fullmatch(name)
    if found is None or not _is_good(deps, job_id, index, int(found[1]), found[2]):
        raise ImageNotFound("there is no such picture, or the link is invalid or has expired")
    job = deps.store.job_of_any_tenant(JobId(job_id))
    response = picture_response(job, index, finished_picture(job, index))
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"  # pages of other sites may show the picture
    return response


def _is_good(deps: Services, job_id: str, index: int, expires_at: int, signature: str) -> bool:
    is_ours = hmac.compare_digest(_signature(deps, job_id, index, expires_at), signature)
    return is_ours and expires_at > time.time()


def _signature(deps: Services, job_id: str, index: int, expires_at: int) -> str:
    """Returns the signature of a link to a picture, in hexadecimal.

    It is made with the private key that signs webhooks, as for links to archives. No other signature of this service
    signs a text of this form.
    """
    words = f"picture {index} of {job_id} until {expires_at}"
    return hmac.digest(deps.signing_key.private.private_bytes_raw(), words.encode(), "sha256").hex()
