"""Schemas of the responses about API keys."""

from datetime import UTC, datetime
from typing import Literal, Self

from pydantic import BaseModel

from shared.access.keys import ApiKey, prefix_of
from shared.access.rights import Scope
from shared.responses.schemas import Moment


class KeyResponse(BaseModel):
    """An API key, without its secret.

    `prefix` is the beginning of its text. `last_used_at` is accurate to about a minute. `networks` and `models` are
    null for a key without that restriction. `replaced_by` is the id of the key that a rotation created.
    """

    id: str
    object: Literal["api_key"] = "api_key"
    tenant: str
    name: str
    prefix: str
    scopes: list[Scope]
    networks: list[str] | None
    models: list[str] | None
    status: Literal["active", "expired", "revoked"]
    created_at: Moment
    last_used_at: Moment | None
    expires_at: Moment | None
    revoked_at: Moment | None
    replaced_by: str | None

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        return cls(
            id=key.key_id,
            tenant=key.tenant,
            name=key.name,
            prefix=prefix_of(key.key_id),
            scopes=sorted(key.scopes),
            networks=[str(network) for network in key.rights.networks] or None,
            models=list(key.rights.models) or None,
            status=key.status(datetime.now(UTC)),
            created_at=key.created_at,
            last_used_at=key.last_used_at,
            expires_at=key.rights.expires_at,
            revoked_at=key.revoked_at,
            replaced_by=key.replaced_by,
        )


class KeyWithText(KeyResponse):
    """A new API key. `key` is its text, which is shown only in this response."""

    key: str


class KeyPage(BaseModel):
    """A page of API keys, newest first. Pass `next` as `after` to get the next page."""

    data: list[KeyResponse]
    has_more: bool
    next: str | None
