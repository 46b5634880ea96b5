"""Routes that create, list, read, change, delete, disable and enable webhook endpoints, and rotate their secrets."""

from datetime import UTC, datetime
from typing import Any, TypeVar

from flask import Blueprint, request
from pydantic import BaseModel

from api.bodies.documents import body_document
from api.bodies.incoming import whole_body
from api.edge import audit, idempotency
from api.edge.authentication import caller
from api.responses.listing import readable_responses
from api.services import services
from api.webhooks.schemas import EndpointPatch, EndpointRequest, EndpointsQuery, RotationRequest
from shared.intake.fields import validated
from shared.responses.webhook_endpoints import EndpointPage, EndpointResponse
from shared.webhooks.endpoints import Endpoint, EndpointId, new_endpoint_id
from shared.webhooks.receivers import check_headers, check_receiver
from shared.webhooks.secrets import new_secret

webhook_endpoints = Blueprint("webhook_endpoints", __name__, url_prefix="/v1/webhook_endpoints")

Json = dict[str, Any]
Asked = TypeVar("Asked", bound=BaseModel)


@webhook_endpoints.post("")
def create() -> tuple[Json, int]:
    """Creates a webhook endpoint and returns it with status 201. The response contains the signing secret."""
    asked, deps = asked_for(EndpointRequest), services()
    check_receiver(asked.url, "url", deps.rules)
    check_headers(asked.headers)
    made = deps.endpoints.create(
        caller().tenant,
        asked.url,
        asked.secret or new_secret(),
        asked.rest,
        most=deps.settings.max_webhook_endpoints,
        endpoint_id=new_endpoint_id(idempotency.reserved_id()),
    )
    audit.note(endpoint_id=made.endpoint_id)
    return _with_secret(made), 201


@webhook_endpoints.get("")
def index() -> Json:
    """Returns a page of the tenant's webhook endpoints, newest first."""
    query = validated(EndpointsQuery, request.args.to_dict())
    found = services().endpoints.endpoints(caller().tenant, limit=query.limit + 1, after=query.after)
    page, has_more, now = found[: query.limit], len(found) > query.limit, datetime.now(UTC)
    return EndpointPage(
        data=readable_responses(
            "endpoint", ((each.endpoint_id, each) for each in page), lambda each: EndpointResponse.of(each, now)
        ),
        has_more=has_more,
        next=page[-1].endpoint_id if has_more else None,
    ).model_dump(mode="json")


@webhook_endpoints.get("/<endpoint_id>")
def read(endpoint_id: str) -> Json:
    """Returns one webhook endpoint, without its secret and without the values of its header fields."""
    return _answer(own_endpoint(endpoint_id))


@webhook_endpoints.patch("/<endpoint_id>")
def update(endpoint_id: str) -> Json:
    """Changes a webhook endpoint and returns it. If the URL changes, pending deliveries go to the new URL."""
    asked, deps = asked_for(EndpointPatch), services()
    if "url" in asked.model_fields_set:
        check_receiver(asked.url, "url", deps.rules)
    check_headers(asked.headers)
    return _answer(deps.endpoints.update(EndpointId(endpoint_id), caller().tenant, asked.changes))


@webhook_endpoints.delete("/<endpoint_id>")
def delete(endpoint_id: str) -> tuple[str, int]:
    """Deletes a webhook endpoint and its pending deliveries, and returns 204."""
    services().endpoints.delete(EndpointId(endpoint_id), caller().tenant)
    return "", 204


@webhook_endpoints.post("/<endpoint_id>/disable")
def disable(endpoint_id: str) -> Json:
    """Disables a webhook endpoint, so that it gets no new messages. Pending deliveries wait until the endpoint is
    enabled.
    """
    return _answer(services().endpoints.disable(EndpointId(endpoint_id), caller().tenant))


@webhook_endpoints.post("/<endpoint_id>/enable")
def enable(endpoint_id: str) -> Json:
    """Enables a webhook endpoint: pending and new messages are sent to it.

    Messages about events during the time in which the endpoint was disabled are not sent. Use `replay` to send them.
    """
    return _answer(services().endpoints.enable(EndpointId(endpoint_id), caller().tenant))


@webhook_endpoints.get("/<endpoint_id>/secret")
def secret(endpoint_id: str) -> dict[str, str]:
    """Returns the signing secret of a webhook endpoint."""
    return {"secret": own_endpoint(endpoint_id).secret}


@webhook_endpoints.post("/<endpoint_id>/rotate_secret")
def rotate_secret(endpoint_id: str) -> Json:
    """Replaces the signing secret of a webhook endpoint, and returns the endpoint with the new secret.

    For 24 hours, webhooks are signed with both the old and the new secret.
    """
    asked = asked_for(RotationRequest, is_optional=True)
    rotated = services().endpoints.rotate(
        EndpointId(endpoint_id),
        caller().tenant,
        asked.secret or new_secret(),
        rotation_id=idempotency.reserved_id(),
    )
    return _with_secret(rotated)


def own_endpoint(endpoint_id: str) -> Endpoint:
    """Returns a webhook endpoint of the caller's tenant. Raises `EndpointNotFound`."""
    return services().endpoints.endpoint(EndpointId(endpoint_id), caller().tenant)


def asked_for(model: type[Asked], *, is_optional: bool = False) -> Asked:
    """Validates the JSON body of the current request by `model` and returns it. Raises `InvalidRequest`.

    If `is_optional` is true, an empty body counts as `{}`.
    """
    return validated(model, {} if is_optional and not whole_body() else body_document().value)


def _answer(endpoint: Endpoint) -> Json:
    return EndpointResponse.of(endpoint, datetime.now(UTC)).model_dump(mode="json")


def _with_secret(endpoint: Endpoint) -> Json:
    return {**_answer(endpoint), "secret": endpoint.secret}
