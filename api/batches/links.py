"""Routes for signed links to a batch's archive. A link needs no API key, expires, and permits only that download."""

import hmac
import re
import time

from flask import Blueprint, Response, request

from api.batches.response_schemas import ArchiveLink
from api.batches.results import archive_of
from api.batches.routes import own_batch
from api.batches.schemas import ArchiveQuery
from api.edge.proxies import base_url
from api.services import Services, services
from shared.batches.batch import BatchId
from shared.errors import BatchNotFound
from shared.intake.fields import validated

batch_links = Blueprint("batch_links", __name__, url_prefix="/v1/batches/<batch_id>")

_NAME = re.compile(r"([0-9]{1,12})-([0-9a-f]{64})\.(tar|zip)")


@batch_links.get("/archive_link")
def link(batch_id: str) -> dict[str, object]:
    """Returns a link to the archive of a batch that needs no API key, for a browser or a download tool.

    The link expires after the same time as a presigned URL (GRIDPRESS_S3_PRESIGN_TTL_S).
    """
    kind = validated(ArchiveQuery, request.args.to_dict()).format
    deps, batch = services(), own_batch(batch_id)
    expires_at = int(time.time()) + deps.settings.s3_presign_ttl_s
    name = f"{expires_at}-{_signature(deps, batch.batch_id, kind, expires_at)}.{kind}"
    url = f"{base_url()}/v1/batches/{batch.batch_id}/archives/{name}"
    return ArchiveLink(url=url, expires_at=expires_at).model_dump()


@batch_links.get("/archives/<name>")
def archive(batch_id: str, name: str) -> Response:
    """Streams the archive to which a signed link leads. An expired or invalid link leads to the error 404."""
    deps, found = services(), _NAME.fullmatch(name)
    if found is None or not _is_good(deps, batch_id, found[3], int(found[1]), found[2]):
        raise BatchNotFound("there is no such archive, or the link is invalid or has expired")
    return archive_of(deps, deps.batches.batch_of_any_tenant(BatchId(batch_id)), found[3])


def _is_good(deps: Services, batch_id: str, kind: str, expires_at: int, signature: str) -> bool:
    is_ours = hmac.compare_digest(_signature(deps, batch_id, kind, expires_at), signature)
    return is_ours and expires_at > time.time()


def _signature(deps: Services, batch_id: str, kind: str, expires_at: int) -> str:
    """Returns the signature of a link to an archive, in hexadecimal.

    The signature is made with the private key that signs webhooks. The webhook secret is not used, since webhook
    receivers know it. No other signature of this service signs a text of this form, so no other signature is valid for
    a link.
    """
    words = f"archive {kind} of {batch_id} until {expires_at}"
    return hmac.digest(deps.signing_key.private.private_bytes_raw(), words.encode(), "sha256").hex()
