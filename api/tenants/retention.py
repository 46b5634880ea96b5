"""Routes with which a tenant reads and sets how long its jobs and batches are kept after their end."""

from typing import Annotated, Any

from flask import Blueprint
from pydantic import BaseModel, ConfigDict, Field

from api.bodies.documents import body_document
from api.edge import audit
from api.services import services
from api.tenants.names import tenant_of_path
from shared.ids import TenantId
from shared.intake.fields import validated
from shared.intake.types import LONGEST_KEPT_S

retention = Blueprint("retention", __name__, url_prefix="/v1/tenants/<tenant>/retention")

_LEAST_S = 3600


class RetentionRequest(BaseModel):
    """How long the tenant's jobs and batches are kept."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    delete_after_s: Annotated[int, Field(ge=_LEAST_S, le=LONGEST_KEPT_S)] | None = Field(
        description="seconds from the end of a job or batch to its deletion, unless its request has another "
        "`delete_after_s`; null: it is not deleted by itself"
    )


class RetentionResponse(BaseModel):
    """How long the tenant's jobs and batches are kept. `delete_after_s` is null if they are not deleted by
    themselves.
    """

    tenant: str
    delete_after_s: int | None


@retention.get("")
def read(tenant: str) -> dict[str, Any]:
    """Returns how long jobs and batches of the tenant are kept after their end.

    The tenant is the caller's own. A caller with the scope `operator` may name any tenant.
    """
    return _answer(tenant_of_path(tenant))


@retention.put("")
def replace(tenant: str) -> dict[str, Any]:
    """Sets how long jobs and batches of the tenant are kept after their end, and returns it.

    It counts for jobs and batches that are created from now on. Another tenant than the caller's own needs the scope
    `operator` as well.
    """
    found = tenant_of_path(tenant)
    asked = validated(RetentionRequest, body_document().value)
    audit.note(delete_after_s=asked.delete_after_s)
    services().retention.set_delete_after_s(found, asked.delete_after_s)
    return _answer(found)


def _answer(tenant: TenantId) -> dict[str, Any]:
    delete_after_s = services().retention.delete_after_s(tenant)
    return RetentionResponse(tenant=tenant, delete_after_s=delete_after_s).model_dump(mode="json")
