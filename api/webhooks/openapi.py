"""OpenAPI entries of webhook endpoints, and of the secrets and keys that sign webhooks."""

from api.openapi.operation import Body, Operation, Response
from api.openapi.schemas import JsonWebKeys, Secret
from api.webhooks.schemas import EndpointPatch, EndpointRequest, EndpointsQuery, RotationRequest
from api.webhooks.secrets import KeyQuery, PublicKey
from shared.errors import EndpointNotFound, TenantBeingErased, TooManyEndpoints
from shared.responses.webhook_endpoints import EndpointPage, EndpointResponse, EndpointWithSecret

_TAG = "Webhooks"
_ENDPOINT = {
    "id": "ep_01ke6q8v3c9t0n5w7x2z4b6d8f",
    "object": "webhook_endpoint",
    "url": "https://shop.example.com/hooks/gridpress",
    "description": "the shop's pictures",
    "events": ["job.succeeded", "job.failed"],
    "payload": "full",
    "header_names": ["Authorization"],
    "status": "enabled",
    "disabled_reason": None,
    "disabled_at": None,
    "failing_since": None,
    "old_secret_ends_at": None,
    "created_at": "2026-01-05T09:30:00.000Z",
    "updated_at": "2026-01-05T09:30:00.000Z",
}
_SECRET = {"secret": "whsec_bXkgb3duIHNlY3JldCBvZiAyNCBieXRlcyE="}
_ASKED = {
    "url": _ENDPOINT["url"],
    "events": _ENDPOINT["events"],
    "description": _ENDPOINT["description"],
    "headers": {"Authorization": "Bearer of-the-shop"},
}

_ANSWER = Response("the endpoint", EndpointResponse, examples={"shop": _ENDPOINT})
_WITH_SECRET = Response(
    "the endpoint with its signing secret", EndpointWithSecret, examples={"shop": {**_ENDPOINT, **_SECRET}}
)
_SECRET_ANSWER = Response("the signing secret", Secret, examples={"one": _SECRET})
_PAGE = Response(
    "a page of endpoints", EndpointPage, examples={"one": {"data": [_ENDPOINT], "has_more": False, "next": None}}
)
_MISSING = (EndpointNotFound,)

OPERATIONS = {
    "webhook_endpoints.create": Operation(
        "createWebhookEndpoint",
        _TAG,
        "Create an endpoint",
        {201: _WITH_SECRET},
        (TooManyEndpoints, TenantBeingErased),
        Body(EndpointRequest, examples={"shop": _ASKED}),
    ),
    "webhook_endpoints.index": Operation(
        "listWebhookEndpoints", _TAG, "List endpoints", {200: _PAGE}, query=EndpointsQuery
    ),
    "webhook_endpoints.read": Operation("getWebhookEndpoint", _TAG, "Read an endpoint", {200: _ANSWER}, _MISSING),
    "webhook_endpoints.update": Operation(
        "updateWebhookEndpoint",
        _TAG,
        "Change an endpoint",
        {200: _ANSWER},
        _MISSING,
        Body(EndpointPatch, examples={"fewer_events": {"events": ["job.failed"]}}),
    ),
    "webhook_endpoints.delete": Operation(
        "deleteWebhookEndpoint", _TAG, "Delete an endpoint", {204: Response("the endpoint is deleted")}, _MISSING
    ),
    "webhook_endpoints.disable": Operation(
        "disableWebhookEndpoint", _TAG, "Disable an endpoint", {200: _ANSWER}, _MISSING
    ),
    "webhook_endpoints.enable": Operation(
        "enableWebhookEndpoint", _TAG, "Enable an endpoint", {200: _ANSWER}, _MISSING
    ),
    "webhook_endpoints.secret": Operation(
        "getWebhookEndpointSecret", _TAG, "Read an endpoint's signing secret", {200: _SECRET_ANSWER}, _MISSING
    ),
    "webhook_endpoints.rotate_secret": Operation(
        "rotateWebhookEndpointSecret",
        _TAG,
        "Replace an endpoint's signing secret",
        {200: _WITH_SECRET},
        _MISSING,
        Body(RotationRequest, is_required=False, examples={"of_ones_own": _SECRET}),
    ),
    "webhooks.secret": Operation("getWebhookSecret", _TAG, "Read the tenant's signing secret", {200: _SECRET_ANSWER}),
    "webhooks.public_key": Operation(
        "getWebhookPublicKey",
        _TAG,
        "Read the public key",
        {
            200: Response(
                "the public key",
                PublicKey,
                examples={"one": {"public_key": "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="}},
            )
        },
        query=KeyQuery,
    ),
    "webhooks.jwks": Operation(
        "getWebhookJwks",
        _TAG,
        "Read the public key as a JSON Web Key Set",
        {
            200: Response(
                "a key set with one key",
                JsonWebKeys,
                examples={
                    "one": {
                        "keys": [
                            {
                                "kty": "OKP",
                                "crv": "Ed25519",
                                "alg": "EdDSA",
                                "use": "sig",
                                "kid": "11qYAYKxCrfVS_7T",
                                "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                            }
                        ]
                    }
                },
            )
        },
        query=KeyQuery,
    ),
}
