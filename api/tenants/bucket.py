"""Routes with which an operator gives a tenant a bucket of its own. The tenant can read them."""

from typing import Any

import structlog
from flask import Blueprint

from api.bodies.documents import body_document
from api.edge import audit
from api.edge.authentication import caller, is_operator
from api.problems.errors import MissingScope
from api.services import services
from api.tenants.bucket_schemas import BucketRequest, bucket_of_request, own_bucket
from api.tenants.names import tenant_of_path
from shared.access.keys import Scope
from shared.errors import InvalidRequest
from shared.ids import ObjectKey, TenantId
from shared.intake.fields import validated
from shared.objects.bucket_client import BucketClient
from shared.objects.bucket_credentials import BucketCredentials
from shared.objects.bucket_errors import BucketRefused
from shared.objects.tenant_bucket import TenantBucket
from shared.responses.buckets import BucketResponse

log = structlog.get_logger()

tenant_bucket = Blueprint("tenant_bucket", __name__, url_prefix="/v1/tenants/<tenant>/bucket")

_CHECK_S = 10.0  # time limit of each request of the check: a person waits


@tenant_bucket.get("")
def read(tenant: str) -> dict[str, Any]:
    """Returns the bucket into which the tenant's finished pictures are copied, without its secret key.

    The tenant is the caller's own. A caller with the scope `operator` may name any tenant.
    """
    return _answer(tenant_of_path(tenant))


@tenant_bucket.put("")
def replace(tenant: str) -> dict[str, Any]:
    """Gives the tenant a bucket, in place of an earlier one, and returns it.

    It needs the scope `operator` as well, also for the caller's own tenant. Before the bucket is accepted, a small
    object is written, read and deleted in it. Pictures are copied from jobs and batches that end from now on.
    """
    found = _tenant_of_operator(tenant)
    asked = validated(BucketRequest, body_document().value)
    deps = services()
    if asked.secret_key and (fault := deps.sealing.fault(before_seal=True)):
        raise InvalidRequest(f"secret_key: it would not be of use: {fault}", "secret_key")
    place = bucket_of_request(asked, found, deps.settings, deps.rules)
    audit.note(bucket=place.bucket, prefix=place.prefix, endpoint_url=place.endpoint_url, access=place.access)
    _check(place)
    deps.buckets.save(place)
    _log("bucket.changed", found, bucket=place.bucket, prefix=place.prefix, address=place.address, access=place.access)
    return _answer(found)


@tenant_bucket.delete("")
def remove(tenant: str) -> dict[str, Any]:
    """Takes the bucket from the tenant. Objects in it stay. Copies that wait fail, and their webhooks are sent.

    It needs the scope `operator` as well, also for the caller's own tenant.
    """
    found = _tenant_of_operator(tenant)
    if services().buckets.remove(found):
        _log("bucket.removed", found)
    return _answer(found)


def _tenant_of_operator(tenant: str) -> TenantId:
    found = tenant_of_path(tenant)
    if not is_operator():
        raise MissingScope(Scope.OPERATOR)
    return found


def _check(place: TenantBucket) -> None:
    """Writes, reads and deletes an object in the bucket. Raises `InvalidRequest` with the field that is wrong.

    The object must not appear in the bucket of the service, which may have several names.
    """
    deps = services()
    egress = deps.fetcher.of_tenant(place.tenant).client

    def is_own(key: ObjectKey) -> bool:
        return any(map(deps.objects.has, (key, ObjectKey(f"{place.bucket}/{key}"))))

    try:
        is_elsewhere = BucketClient(place, egress, BucketCredentials(deps.settings), timeout_s=_CHECK_S).check(is_own)
    except BucketRefused as error:
        raise InvalidRequest(f"{error.field}: {error}", error.field) from error
    if not is_elsewhere:
        raise own_bucket()


def _log(event: str, tenant: TenantId, **facts: object) -> None:
    own = caller().key
    log.info(event, of_tenant=tenant, by_key_id=own.key_id if own else None, **facts)


def _answer(tenant: TenantId) -> dict[str, Any]:
    buckets = services().buckets
    return BucketResponse.of(tenant, buckets.find(tenant), buckets.health(tenant)).model_dump(mode="json")
