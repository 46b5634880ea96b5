"""Routes with which an operator reads and changes the limits of a tenant."""

from typing import Annotated, Any

import structlog
from flask import Blueprint
from pydantic import BaseModel, ConfigDict, Field

from api.bodies.documents import body_document
from api.edge import audit
from api.edge.authentication import caller, is_operator
from api.openapi.json_schema import leave_unchanged
from api.problems.errors import MissingScope
from api.services import services
from api.tenants.names import tenant_of_path
from shared.access.keys import Scope
from shared.access.limits import TenantLimits
from shared.ids import TenantId
from shared.intake.fields import validated
from shared.responses.limits import TenantLimitsResponse

log = structlog.get_logger()

tenant_limits = Blueprint("tenant_limits", __name__, url_prefix="/v1/tenants/<tenant>/limits")

_LARGEST = 2**53  # JSON numbers above it are not exact in every client

Limit = Annotated[int, Field(ge=1, le=_LARGEST)] | None


class TenantLimitsPatch(BaseModel):
    """The body of a request to change the limits of a tenant. Limits that are left out stay unchanged; null removes a
    limit.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, json_schema_extra=leave_unchanged)

    requests_per_minute: Limit = Field(default=None, description="requests of all kinds in any minute")
    pixels_per_day: Limit = Field(default=None, description="pixels of the pictures of accepted jobs in any day")
    queued_renders: Limit = Field(default=None, description="pictures that have not started")
    concurrent_renders: Limit = Field(default=None, description="pictures that have started and not ended")
    connections: Limit = Field(default=None, description="requests that run at once; null: the default of the service")
    streams: Limit = Field(default=None, description="open event streams; null: the default of the service")
    pictures_per_month: Limit = Field(default=None, description="pictures in a calendar month (UTC)")
    device_seconds_per_month: Limit = Field(default=None, description="seconds of devices in a calendar month (UTC)")
    stored_bytes: Limit = Field(default=None, description="bytes of pictures, condition images and files")
    weight: Limit = Field(default=None, description="the tenant's share of the workers; null: the default, 1")


@tenant_limits.get("")
def read(tenant: str) -> dict[str, Any]:
    """Returns the limits that are set for the tenant. What is left of them is in `GET /v1/limits`.

    The tenant is the caller's own. A caller with the scope `operator` may name any tenant.
    """
    found = tenant_of_path(tenant)
    return _answer(found, services().keys.store.limits(found))


@tenant_limits.patch("")
def update(tenant: str) -> dict[str, Any]:
    """Changes the limits of the tenant, and returns all of them.

    It needs the scope `operator` as well, also for the caller's own tenant. A change takes effect within 2 s. Requests
    that run, and accepted pictures, go on under a lower limit.
    """
    found = tenant_of_path(tenant)
    if not is_operator():
        raise MissingScope(Scope.OPERATOR)
    asked = validated(TenantLimitsPatch, body_document().value)
    keys = services().keys
    before, changes = keys.store.limits(found), asked.model_dump(include=asked.model_fields_set)
    audit.note(**changes)
    after = keys.store.change_limits(found, changes)
    keys.forget_tenant(found)
    own = caller().key
    past = {name: getattr(before, name) for name in changes}
    log.info("limits.changed", of_tenant=found, by_key_id=own.key_id if own else None, before=past, after=changes)
    return _answer(found, after)


def _answer(tenant: TenantId, limits: TenantLimits) -> dict[str, Any]:
    return TenantLimitsResponse.of(tenant, limits).model_dump(mode="json")
