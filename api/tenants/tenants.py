"""The route with which an operator lists all tenants."""

from typing import Any

from flask import Blueprint, request
from pydantic import BaseModel, ConfigDict, Field

from api.services import services
from shared.ids import TenantId
from shared.intake.fields import validated
from shared.intake.types import Tenant
from shared.responses.tenants import TenantPage, TenantResponse

tenants = Blueprint("tenants", __name__, url_prefix="/v1/tenants")


class TenantsQuery(BaseModel):
    """The query parameters of the list of tenants. The model is not strict, since all values arrive as text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=20, ge=1, le=100)
    after: Tenant | None = Field(default=None, description="`next` of the previous page")


@tenants.get("")
def index() -> dict[str, Any]:
    """Returns a page of all tenants in alphabetical order.

    A tenant is in the list once it has an API key or limits. The tenant `default` always is.
    """
    query = validated(TenantsQuery, request.args.to_dict())
    after = TenantId(query.after) if query.after else None
    found = services().tenants.page(limit=query.limit + 1, after=after)
    page, has_more = found[: query.limit], len(found) > query.limit
    data = [TenantResponse.of(each) for each in page]
    return TenantPage(data=data, has_more=has_more, next=page[-1].tenant if has_more else None).model_dump(mode="json")
