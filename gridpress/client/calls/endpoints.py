"""Describes the calls of `/v1/webhook_endpoints`."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from pydantic_core import to_jsonable_python

from gridpress.client.calls.call import Call, as_json, as_model, as_nothing, escaped
from shared.responses.webhook_endpoints import EndpointPage, EndpointResponse, EndpointWithSecret
from shared.webhooks.events import EventType, PayloadStyle

ENDPOINTS = "/v1/webhook_endpoints"

_ENDPOINT, _WITH_SECRET = as_model(EndpointResponse), as_model(EndpointWithSecret)


class EndpointFields(TypedDict, total=False):
    """What a webhook endpoint receives. `events` None means the default events. `headers` are added to each webhook."""

    events: Sequence[EventType] | None
    payload: PayloadStyle | str
    description: str
    headers: Mapping[str, str]


def create(url: str, secret: str | None, fields: Mapping[str, object]) -> Call[EndpointWithSecret]:
    """Creates a webhook endpoint. Without a secret the service draws one."""
    given = {"url": url, **({"secret": secret} if secret else {}), **fields}
    return Call("POST", ENDPOINTS, _WITH_SECRET, body=to_jsonable_python(given))


def endpoints() -> Call[EndpointPage]:
    """Reads the first page of the webhook endpoints."""
    return Call("GET", ENDPOINTS, as_model(EndpointPage))


def endpoint(endpoint_id: str) -> Call[EndpointResponse]:
    """Reads a webhook endpoint, without its secret."""
    return Call("GET", path(endpoint_id), _ENDPOINT)


def change(endpoint_id: str, fields: Mapping[str, object]) -> Call[EndpointResponse]:
    """Changes some fields of a webhook endpoint."""
    return Call("PATCH", path(endpoint_id), _ENDPOINT, body=to_jsonable_python(dict(fields)))


def switch(endpoint_id: str, action: str) -> Call[EndpointResponse]:
    """Sends an action to a webhook endpoint: `enable` or `disable`."""
    return Call("POST", f"{path(endpoint_id)}/{action}", _ENDPOINT)


def delete(endpoint_id: str) -> Call[None]:
    """Deletes a webhook endpoint."""
    return Call("DELETE", path(endpoint_id), as_nothing)


def secret(endpoint_id: str) -> Call[str]:
    """Reads the signing secret of a webhook endpoint."""
    return Call("GET", f"{path(endpoint_id)}/secret", lambda response: str(as_json(response)["secret"]))


def rotate_secret(endpoint_id: str, secret: str | None) -> Call[EndpointWithSecret]:
    """Replaces the signing secret of a webhook endpoint. Without a secret the service draws one."""
    body = {"secret": secret} if secret else None
    return Call("POST", f"{path(endpoint_id)}/rotate_secret", _WITH_SECRET, body=body)


def path(endpoint_id: str) -> str:
    """Returns the path of a webhook endpoint."""
    return f"{ENDPOINTS}/{escaped(endpoint_id)}"
