"""Schemas of the requests about API keys."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.openapi.json_schema import leave_unchanged
from shared.access.keys import KeyId
from shared.access.rights import Scope
from shared.ids import TenantId
from shared.intake.types import Tenant, Text, Time, not_blank
from shared.settings.networks import read_network

_ASKED = ConfigDict(extra="forbid", strict=True, frozen=True)
_MOST_OVERLAP_S = 30 * 24 * 3600
_DAY_S = 24 * 3600


def _network(text: str) -> str:
    try:
        return str(read_network(text.strip()))
    except ValueError as error:
        raise PydanticCustomError("network", "{why}", {"why": str(error)}) from error


Name = Annotated[Text, Field(max_length=100, description="a note for people, such as the program that has the key")]
Scopes = Annotated[
    list[Annotated[Scope, Field(strict=False)]],
    Field(min_length=1, max_length=len(Scope), description="what the key permits; the API key that asks must have it"),
]
Networks = Annotated[
    list[Annotated[Text, AfterValidator(_network), Field(max_length=60, examples=["203.0.113.0/24"])]] | None,
    Field(max_length=50, description="the addresses from which the key may be used, as networks (CIDR); null: all"),
]
Models = Annotated[
    list[
        Annotated[
            Text,
            AfterValidator(str.strip),
            AfterValidator(not_blank),
            Field(max_length=200, json_schema_extra={"pattern": r"\S"}),
        ]
    ]
    | None,
    Field(max_length=20, description="the names of the models with which the key may render; null: all"),
]
ExpiresAt = Annotated[Time | None, Field(description="the time at which the key ends; null: never")]


class KeyRequest(BaseModel):
    """A request to create an API key.

    `networks`, `models` and `expires_at` that are left out are those of the API key that asks.
    """

    model_config = _ASKED

    tenant: Tenant | None = Field(
        default=None, description="default: the tenant of the API key that asks. Other tenants need the scope operator"
    )
    name: Name = ""
    scopes: Scopes = [Scope.RENDER, Scope.READ]
    networks: Networks = None
    models: Models = None
    expires_at: ExpiresAt = None


class KeyPatch(BaseModel):
    """The body of a request to change an API key. Fields that are left out stay unchanged."""

    model_config = _ASKED | ConfigDict(json_schema_extra=leave_unchanged)

    name: Name = ""
    scopes: Scopes = []
    networks: Networks = None
    models: Models = None
    expires_at: ExpiresAt = None


class KeyRotationRequest(BaseModel):
    """The body of a request to replace an API key. The body is optional."""

    model_config = _ASKED

    overlap_s: int = Field(
        default=_DAY_S,
        ge=0,
        le=_MOST_OVERLAP_S,
        description="seconds for which the replaced key still works, unless it expires earlier",
    )
    expires_at: ExpiresAt = Field(
        default=None, description="the time at which the new key ends; null: never. Default: that of the replaced key"
    )


class KeysQuery(BaseModel):
    """The query parameters of a list of API keys. The model is not strict, since all values arrive as text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=20, ge=1, le=100)
    after: Annotated[KeyId, Field(pattern=r"^[a-z2-7]{8}$", examples=["x7k2m4qa"])] | None = Field(
        default=None, description="`next` of the previous page"
    )
    tenant: Tenant | None = Field(
        default=None, description="default: the tenant of the API key that asks. Other tenants need the scope operator"
    )
    all_tenants: bool = Field(default=False, description="true: the keys of all tenants. Needs the scope operator")


def tenant_of(text: str | None) -> TenantId | None:
    """Returns the tenant in a request, whose form was checked; None if the request names none."""
    return TenantId(text) if text else None
