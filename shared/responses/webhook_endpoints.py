"""Schemas of the responses about webhook endpoints."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel

from shared.responses.schemas import Moment
from shared.webhooks.endpoints import DisabledReason, Endpoint
from shared.webhooks.events import DEFAULT_EVENTS, PayloadStyle


class EndpointResponse(BaseModel):
    """A webhook endpoint.

    `header_names` lists the additional header fields of its webhooks, without their values. `disabled_reason` is
    `requested`, `gone` (the receiver responded with 410) or `failing` (all attempts failed for 5 days).
    `failing_since` is null if the last attempt succeeded. Until `old_secret_ends_at`, webhooks are also signed with
    the old secret.
    """

    id: str
    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    url: str
    description: str
    events: list[str]
    payload: PayloadStyle
    header_names: list[str]
    status: Literal["enabled", "disabled"]
    disabled_reason: DisabledReason | None
    disabled_at: Moment | None
    failing_since: Moment | None
    old_secret_ends_at: Moment | None
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of(cls, endpoint: Endpoint, now: datetime) -> Self:
        return cls(
            id=endpoint.endpoint_id,
            url=endpoint.url,
            description=endpoint.description,
            events=list(endpoint.events or DEFAULT_EVENTS),
            payload=endpoint.payload,
            header_names=sorted(endpoint.headers),
            status="enabled" if endpoint.is_enabled else "disabled",
            disabled_reason=endpoint.disabled_reason,
            disabled_at=endpoint.disabled_at,
            failing_since=endpoint.failing_since,
            old_secret_ends_at=max((old.ends_at for old in endpoint.old_secrets if old.ends_at > now), default=None),
            created_at=endpoint.created_at,
            updated_at=endpoint.updated_at,
        )


class EndpointWithSecret(EndpointResponse):
    """A webhook endpoint with its signing secret, as returned after its creation and after a rotation of the secret."""

    secret: str


class EndpointPage(BaseModel):
    """A page of webhook endpoints, newest first. Pass `next` as `after` to get the next page."""

    data: list[EndpointResponse]
    has_more: bool
    next: str | None
