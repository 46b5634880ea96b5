"""The routes of webhook endpoints and their secrets: create, list, read, change and delete."""

from datetime import UTC, datetime
from typing import Any, TypeVar

from flask import Blueprint, request
from pydantic import BaseModel

from api.edge import idempotency
from api.edge.callers import caller
from api.jobs.body import body_document
from api.responses.listing import told_each
from api.server.incoming import whole_body
from api.services import services
from api.webhooks.response_schemas import EndpointAnswer, EndpointPage
from api.webhooks.schemas import EndpointPatch, EndpointRequest, EndpointsQuery, RotationRequest
from shared.intake.fields import validated
from shared.webhooks.endpoints import Endpoint, EndpointId, new_endpoint_id
from shared.webhooks.receivers import check_headers, check_receiver
from shared.webhooks.secrets import new_secret

webhook_endpoints = Blueprint("webhook_endpoints", __name__, url_prefix="/v1/webhook_endpoints")

Answer = dict[str, Any]
Asked = TypeVar("Asked", bound=BaseModel)


@webhook_endpoints.post("")
def create() -> tuple[Answer, int]:
    """Creates an endpoint (201). The response holds its signing secret."""
    asked, house = asked_for(EndpointRequest), services()
    check_receiver(asked.url, "url", house.rules)
    check_headers(asked.headers)
    made = house.endpoints.create(
        caller().tenant,
        asked.url,
        asked.secret or new_secret(),
        asked.rest,
        most=house.settings.max_webhook_endpoints,
        endpoint_id=new_endpoint_id(idempotency.reserved_id()),
    )
    return _with_secret(made), 201


@webhook_endpoints.get("")
def index() -> Answer:
    """Returns a page, newest first. Reads one more than asked for, to know whether there is another page."""
    query = validated(EndpointsQuery, request.args.to_dict())
    found = services().endpoints.endpoints(caller().tenant, limit=query.limit + 1, after=query.after)
    page, has_more, now = found[: query.limit], len(found) > query.limit, datetime.now(UTC)
    return EndpointPage(
        data=told_each(
            "endpoint", ((each.endpoint_id, each) for each in page), lambda each: EndpointAnswer.of(each, now)
        ),
        has_more=has_more,
        next=page[-1].endpoint_id if has_more else None,
    ).model_dump(mode="json")


@webhook_endpoints.get("/<endpoint_id>")
def read(endpoint_id: str) -> Answer:
    """Returns one endpoint, without its secret and without the values of its header fields."""
    return _answer(own_endpoint(endpoint_id))


@webhook_endpoints.patch("/<endpoint_id>")
def update(endpoint_id: str) -> Answer:
    """Changes an endpoint and returns it. Pending deliveries go to the new URL."""
    asked, house = asked_for(EndpointPatch), services()
    if "url" in asked.model_fields_set:
        check_receiver(asked.url, "url", house.rules)
    check_headers(asked.headers)
    return _answer(house.endpoints.update(EndpointId(endpoint_id), caller().tenant, asked.changes))


@webhook_endpoints.delete("/<endpoint_id>")
def delete(endpoint_id: str) -> tuple[str, int]:
    """Deletes an endpoint and its pending deliveries (204)."""
    services().endpoints.delete(EndpointId(endpoint_id), caller().tenant)
    return "", 204


@webhook_endpoints.post("/<endpoint_id>/disable")
def disable(endpoint_id: str) -> Answer:
    """Disables an endpoint: it gets no new messages. Its pending deliveries wait until it is enabled."""
    return _answer(services().endpoints.disable(EndpointId(endpoint_id), caller().tenant))


@webhook_endpoints.post("/<endpoint_id>/enable")
def enable(endpoint_id: str) -> Answer:
    """Enables an endpoint: pending and new messages are sent. A replay sends those of the time in between."""
    return _answer(services().endpoints.enable(EndpointId(endpoint_id), caller().tenant))


@webhook_endpoints.get("/<endpoint_id>/secret")
def secret(endpoint_id: str) -> dict[str, str]:
    """Returns the signing secret."""
    return {"secret": own_endpoint(endpoint_id).secret}


@webhook_endpoints.post("/<endpoint_id>/rotate_secret")
def rotate_secret(endpoint_id: str) -> Answer:
    """Replaces the signing secret. For 24 hours webhooks are signed with both."""
    asked = asked_for(RotationRequest, is_optional=True)
    rotated = services().endpoints.rotate(
        EndpointId(endpoint_id),
        caller().tenant,
        asked.secret or new_secret(),
        rotation_id=idempotency.reserved_id(),
    )
    return _with_secret(rotated)


def own_endpoint(endpoint_id: str) -> Endpoint:
    """Returns an endpoint of the caller's tenant. Raises `EndpointNotFound`."""
    return services().endpoints.endpoint(EndpointId(endpoint_id), caller().tenant)


def asked_for(model: type[Asked], *, is_optional: bool = False) -> Asked:
    """Returns the validated JSON body. Raises `InvalidRequest`."""
    return validated(model, {} if is_optional and not whole_body() else body_document().value)


def _answer(endpoint: Endpoint) -> Answer:
    return EndpointAnswer.of(endpoint, datetime.now(UTC)).model_dump(mode="json")


def _with_secret(endpoint: Endpoint) -> Answer:
    return {**_answer(endpoint), "secret": endpoint.secret}
