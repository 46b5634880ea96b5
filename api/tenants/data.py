"""Routes that erase all data of a tenant, and tell how far this is."""

from typing import Any, Literal

from flask import Blueprint, request
from pydantic import BaseModel, ConfigDict, Field

from api.edge import audit
from api.edge.authentication import is_operator
from api.problems.errors import MissingScope
from api.services import services
from api.tenants.names import tenant_of_path
from shared.access.keys import Scope
from shared.ids import TenantId
from shared.intake.fields import validated
from shared.responses.schemas import Moment

tenant_data = Blueprint("tenant_data", __name__, url_prefix="/v1/tenants/<tenant>/data")


class ErasureQuery(BaseModel):
    """The query parameter of a request to erase the data of a tenant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: bool = Field(
        default=False,
        description="also erase API keys, limits and the default of `delete_after_s` at the end. Needs the scope "
        "`operator`",
    )


class ErasureResponse(BaseModel):
    """Whether the data of a tenant is being erased.

    `phase` is `deleting`; then `settling` for 11 minutes, in which a worker may still store a last object; then
    `finishing`, a last search. `status` is `none` before an erasure and after its end; the other fields are then null.
    """

    tenant: str
    status: Literal["erasing", "none"]
    phase: Literal["deleting", "settling", "finishing"] | None
    started_at: Moment | None
    settings: bool | None


@tenant_data.delete("")
def erase(tenant: str) -> tuple[dict[str, Any], int]:
    """Begins to erase all data of the tenant, and returns 202. A repeated request goes on with the same erasure.

    Running jobs and batches are cancelled first. Then all jobs, batches, files, pictures, condition images, webhook
    endpoints, messages and the usage are deleted. Until the end, requests that would create data of the tenant are
    refused (409). API keys and limits stay, unless an operator asks for `settings`. Another tenant than the caller's
    own needs the scope `operator`.
    """
    found = tenant_of_path(tenant)
    with_settings = validated(ErasureQuery, request.args.to_dict()).settings
    if with_settings and not is_operator():
        raise MissingScope(Scope.OPERATOR)
    audit.note(settings=with_settings)
    services().erasures.begin(found, with_settings=with_settings)
    return _answer(found), 202


@tenant_data.get("")
def read(tenant: str) -> dict[str, Any]:
    """Returns whether the data of the tenant is being erased."""
    return _answer(tenant_of_path(tenant))


def _answer(tenant: TenantId) -> dict[str, Any]:
    found = services().erasures.find(tenant)
    if found is None:
        answer = ErasureResponse(tenant=tenant, status="none", phase=None, started_at=None, settings=None)
    else:
        answer = ErasureResponse(
            tenant=tenant,
            status="erasing",
            phase=found.phase.value,
            started_at=found.started_at,
            settings=found.with_settings,
        )
    return answer.model_dump(mode="json")
