"""Links to a batch's archive that work for a while without a key: who has one downloads that, and does no more."""

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
    """For a browser or a download tool: good for as long as a presigned URL."""
    kind = validated(ArchiveQuery, request.args.to_dict()).format
    house, batch = services(), own_batch(batch_id)
    expires_at = int(time.time()) + house.settings.s3_presign_ttl_s
    name = f"{expires_at}-{_signature(house, batch.batch_id, kind, expires_at)}.{kind}"
    url = f"{base_url()}/v1/batches/{batch.batch_id}/archives/{name}"
    return ArchiveLink(url=url, expires_at=expires_at).model_dump()


@batch_links.get("/archives/<name>")
def archive(batch_id: str, name: str) -> Response:
    """The archive as `/archive` answers it. A link that is no longer good leads nowhere."""
    house, found = services(), _NAME.fullmatch(name)
    if found is None or not _is_good(house, batch_id, found[3], int(found[1]), found[2]):
        raise BatchNotFound("no such archive, or its link is no longer good")
    return archive_of(house, house.batches.batch_of_any_tenant(BatchId(batch_id)), found[3])


def _is_good(house: Services, batch_id: str, kind: str, expires_at: int, signature: str) -> bool:
    is_ours = hmac.compare_digest(_signature(house, batch_id, kind, expires_at), signature)
    return is_ours and expires_at > time.time()


def _signature(house: Services, batch_id: str, kind: str, expires_at: int) -> str:
    """By what nobody is given: receivers of webhooks have their secret. Of words that nothing else is signed with."""
    words = f"archive {kind} of {batch_id} until {expires_at}"
    return hmac.digest(house.signing_key.private.private_bytes_raw(), words.encode(), "sha256").hex()
