"""The route `/v1/audit`, which lists the acts of administrators and operators."""

import json
from typing import Annotated, Any, Literal

from flask import Blueprint, Response, request
from pydantic import BaseModel, ConfigDict, Field

from api.access.key_schemas import tenant_of
from api.edge.authentication import caller, is_operator
from api.problems.errors import MissingScope
from api.services import services
from shared.access.audit import Act, ActId, Fact
from shared.access.keys import Scope
from shared.ids import TenantId
from shared.intake.fields import validated
from shared.intake.types import Tenant
from shared.responses.schemas import Moment

audit = Blueprint("audit", __name__, url_prefix="/v1/audit")

JSONL = "application/jsonl"


class AuditQuery(BaseModel):
    """The query parameters of the audit log. The model is not strict, since all values arrive as text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=20, ge=1, le=100)
    after: (
        Annotated[ActId, Field(pattern=r"^act_[0-9a-z]{26}$", examples=["act_01ke6q8v3c9t0n5w7x2z4b6d8f"])] | None
    ) = Field(default=None, description="`next` of the previous page, or the id of its last entry")
    tenant: Tenant | None = Field(
        default=None,
        description="only acts of API keys of this tenant. Default: those of all tenants for the scope operator, "
        "otherwise those of the caller's tenant",
    )
    format: Literal["json", "jsonl"] = Field(default="json", description="jsonl: one entry in each line, and no page")


class ActResponse(BaseModel):
    """An act of an administrator or operator: a request that changed something, or that read a secret."""

    id: str
    object: Literal["act"] = "act"
    at: Moment = Field(description="the time at which the act began")
    tenant: str | None = Field(description="the tenant of the API key that acted; null: a command")
    key_id: str | None = Field(description="the API key that acted; null: a command, or an API without keys")
    act: str = Field(description="method and route, as in this document, or a command such as `gridpress keys revoke`")
    path: str | None = Field(description="the path of the request, without its query; null: a command")
    address: str | None = Field(description="the address from which the request came; null: a command, or unknown")
    request_id: str | None
    status: int | None = Field(
        description="the HTTP status of the response. null: the act runs, or the process ended during the act"
    )
    code: str | None = Field(description="the code of the error with which the act was refused")
    facts: dict[str, Fact] = Field(description="what the act concerned, such as the id of a new API key. No secrets")


class AuditPage(BaseModel):
    """A page of the audit log, newest first. Pass `next` as `after` to get the next page."""

    data: list[ActResponse]
    has_more: bool
    next: str | None


@audit.get("")
def index() -> dict[str, Any] | Response:
    """Returns a page of the audit log, newest first.

    An administrator sees the acts of its tenant's API keys. A caller with the scope `operator` sees those of all
    tenants, also without the scope `admin`. This request itself is no act.
    """
    query = validated(AuditQuery, request.args.to_dict())
    found = services().audit.acts(_tenant(query.tenant), limit=query.limit + 1, after=query.after)
    page, has_more = found[: query.limit], len(found) > query.limit
    data = [_answer(act) for act in page]
    if query.format == "jsonl":
        return Response("".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in data), mimetype=JSONL)
    return {"data": data, "has_more": has_more, "next": page[-1].act_id if has_more else None}


def _tenant(named: str | None) -> TenantId | None:
    """Returns the tenant whose acts the caller may see and wants; None for all. Raises `MissingScope`."""
    tenant = tenant_of(named)
    if is_operator():
        return tenant
    if tenant not in (None, caller().tenant):
        raise MissingScope(Scope.OPERATOR)
    return caller().tenant


def _answer(act: Act) -> dict[str, Any]:
    return ActResponse(
        id=act.act_id,
        at=act.at,
        tenant=act.tenant,
        key_id=act.key_id,
        act=act.act,
        path=act.path,
        address=act.address,
        request_id=act.request_id,
        status=act.status,
        code=act.code,
        facts=dict(act.facts),
    ).model_dump(mode="json")
