"""Routes that return what webhooks are verified with: the tenant's signing secret, and public keys for `v1a`.

`v1a` is the signature scheme of Standard Webhooks with ed25519 keys.
"""

from typing import Annotated, Any

from flask import Blueprint, request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.edge.authentication import caller
from api.services import services
from shared.access.keys import is_tenant
from shared.ids import DEFAULT_TENANT, TenantId
from shared.intake.fields import validated
from shared.webhooks.secrets import secret_of
from shared.webhooks.signing_key import SigningKey

webhooks = Blueprint("webhooks", __name__, url_prefix="/v1/webhooks")


def _tenant(name: str) -> str:
    if not is_tenant(name):
        raise PydanticCustomError("tenant", "is not a valid tenant name")
    return name


class KeyQuery(BaseModel):
    """The query parameter of the public key: the tenant whose webhooks are to be verified."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: Annotated[TenantId, AfterValidator(_tenant)] = Field(
        default=DEFAULT_TENANT, json_schema_extra={"pattern": "^[a-z0-9][a-z0-9_.-]{0,62}$"}
    )


class PublicKey(BaseModel):
    """The public key that verifies the `v1a` signatures of a tenant's webhooks: `whpk_` and base64 (ed25519)."""

    public_key: str


@webhooks.get("/secret")
def secret() -> dict[str, str]:
    """Returns the tenant's signing secret. It signs the webhooks of jobs that have no secret of their own."""
    return {"secret": secret_of(caller().tenant, services().webhook_secret)}


@webhooks.get("/public_key")
def public_key() -> dict[str, str]:
    """Returns the public key that verifies a tenant's webhooks. If the query has no `tenant`, it is the key of the
    default tenant.

    The key is not secret. Every valid tenant name has a key, so the response does not reveal which tenants exist.
    """
    return {"public_key": _key().public_text}


@webhooks.get("/jwks.json")
def jwks() -> dict[str, Any]:
    """Returns the public key that verifies a tenant's webhooks, as a JSON Web Key Set."""
    return {"keys": [_key().jwk]}


def _key() -> SigningKey:
    asked = validated(KeyQuery, request.args.to_dict())
    return services().signing_key.of_tenant(asked.tenant)
