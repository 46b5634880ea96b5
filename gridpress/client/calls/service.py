"""Describes calls that concern no single object, and calls of routes for which the client has no method."""

from collections.abc import Mapping
from typing import Any

from gridpress.client.calls.call import Call, as_json


def raw(
    method: str, path: str, body: object, params: Mapping[str, Any] | None, headers: Mapping[str, str] | None
) -> Call[dict[str, Any]]:
    """Calls any route that responds with a JSON object."""
    return Call(method, path, as_json, params=params or {}, body=body, headers=headers or {})


def webhook_secret() -> Call[str]:
    """Reads the secret that signs the webhooks of the tenant's jobs."""
    return Call("GET", "/v1/webhooks/secret", lambda response: str(as_json(response)["secret"]))
