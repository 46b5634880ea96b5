"""The routes of what webhooks are signed with: the tenant's secret, and the public keys of `v1a`."""

from typing import Annotated, Any

from flask import Blueprint, request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.edge.callers import caller
from api.services import services
from shared.access.keys import is_tenant
from shared.ids import DEFAULT_TENANT, TenantId
from shared.intake.fields import validated
from shared.webhooks.secrets import secret_of
from shared.webhooks.signing_key import SigningKey

webhooks = Blueprint("webhooks", __name__, url_prefix="/v1/webhooks")


def _tenant(name: str) -> str:
    if not is_tenant(name):
        raise PydanticCustomError("tenant", "is no name of a tenant")
    return name


class KeyQuery(BaseModel):
    """Whose webhooks are to be verified."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: Annotated[TenantId, AfterValidator(_tenant)] = Field(
        default=DEFAULT_TENANT, json_schema_extra={"pattern": "^[a-z0-9][a-z0-9_.-]{0,62}$"}
    )


class PublicKey(BaseModel):
    """`whpk_` and the base64 of an ed25519 key: verifies `v1a` signatures of a tenant's webhooks."""

    public_key: str


@webhooks.get("/secret")
def secret() -> dict[str, str]:
    """What the webhooks of jobs without a secret of their own are signed with."""
    return {"secret": secret_of(caller().tenant, services().webhook_secret)}


@webhooks.get("/public_key")
def public_key() -> dict[str, str]:
    """Of the tenant named, or the default one; it is no secret, and says nothing about who there is."""
    return {"public_key": _key().public_text}


@webhooks.get("/jwks.json")
def jwks() -> dict[str, Any]:
    """The same as a JSON Web Key Set."""
    return {"keys": [_key().jwk]}


def _key() -> SigningKey:
    asked = validated(KeyQuery, request.args.to_dict())
    return services().signing_key.of_tenant(asked.tenant)
