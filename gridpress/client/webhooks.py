"""Verifies webhooks. Needs no connection to the service."""

from collections.abc import Mapping
from typing import Any

from pydantic import AwareDatetime, BaseModel, ValidationError
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from gridpress.client.errors import InvalidSignature


class WebhookEvent(BaseModel):
    """The body of a webhook. `data` is the job or batch, as the API returns it, or only its id (payload `thin`).

    `sequence` grows with every event of a tenant: webhooks may arrive in another order.
    """

    type: str
    timestamp: AwareDatetime
    sequence: int
    data: dict[str, Any]


def verify(body: bytes | str, headers: Mapping[str, str], secret: str) -> WebhookEvent:
    """Verifies the signature and the age of a webhook, and returns its event.

    `body` has the bytes as they arrived, and `headers` all header fields of the request. `secret` is that of the
    endpoint, or `Client().webhooks.secret()` for the `webhook_url` of a job. Raises `InvalidSignature`.
    """
    try:
        Webhook(secret).verify(body, {name.lower(): value for name, value in headers.items()})
        return WebhookEvent.model_validate_json(body)
    except (WebhookVerificationError, ValidationError) as error:
        raise InvalidSignature(f"the webhook can't be trusted: {error}") from error
