"""OpenAPI entries of API keys, and of the route with which a tenant reads its limits."""

from api.access.key_schemas import KeyPatch, KeyRequest, KeyRotationRequest, KeysQuery
from api.openapi.operation import Body, Operation, Response
from api.problems.errors import ExceedsOwnKey, NoKeyYet
from shared.errors import KeyEnded, KeyExists, KeyNotFound, TooManyKeys
from shared.responses.keys import KeyPage, KeyResponse, KeyWithText
from shared.responses.limits import LimitsResponse

_TAG = "Access"
_LIMITS = {
    "tenant": "acme",
    "requests": {"limit": 600, "window_s": 60, "remaining": 598, "reset_s": 0.1, "full_s": 60.0},
    "pixels": {"limit": None, "window_s": 86400, "remaining": None, "reset_s": None, "full_s": None},
    "queued_renders": {"limit": 100, "used": 3, "remaining": 97},
    "concurrent_renders": {"limit": 4, "used": 4, "remaining": 0},
    "connections": {"limit": 1_000, "used": 3, "remaining": 997},
    "streams": {"limit": 500, "used": 1, "remaining": 499},
    "pictures_per_month": {
        "limit": 100_000,
        "used": 1_204,
        "remaining": 98_796,
        "refills_at": "2026-02-01T00:00:00.000Z",
    },
    "device_seconds_per_month": {
        "limit": None,
        "used": 9_812,
        "remaining": None,
        "refills_at": "2026-02-01T00:00:00.000Z",
    },
    "stored_bytes": {"limit": 10_000_000_000, "used": 1_250_000, "remaining": 9_998_750_000},
    "weight": 1,
    "service": {
        "n": 16,
        "images": 8,
        "image_pixels": 40_000_000,
        "num_inference_steps": 200,
        "prompt_chars": 8_000,
        "body_bytes": 67_108_864,
        "file_bytes": 67_108_864,
        "batch_file_bytes": 200_000_000,
        "batch_lines": 50_000,
        "webhook_endpoints": 50,
    },
}

_KEY = {
    "id": "x7k2m4qa",
    "object": "api_key",
    "tenant": "acme",
    "name": "the shop",
    "prefix": "gp_x7k2m4qa_",
    "scopes": ["read", "render"],
    "networks": ["203.0.113.0/24"],
    "models": None,
    "status": "active",
    "created_at": "2026-01-05T09:30:00.000Z",
    "last_used_at": "2026-01-05T11:02:00.000Z",
    "expires_at": "2027-01-05T00:00:00.000Z",
    "revoked_at": None,
    "replaced_by": None,
}
_NEW_KEY = {**_KEY, "last_used_at": None, "key": "gp_x7k2m4qa_" + "vmk3h5wqz7n2c4tfja6sxr" * 2 + "bd6yo3ei"}
_REVOKED = {**_KEY, "status": "revoked", "revoked_at": "2026-01-05T12:00:00.000Z"}
_ASKED = {
    "name": "the shop",
    "scopes": ["read", "render"],
    "networks": ["203.0.113.0/24"],
    "expires_at": "2027-01-05T00:00:00Z",
}
_ANSWER = Response("the API key, without its secret", KeyResponse, examples={"shop": _KEY})
_WITH_TEXT = Response("the new API key, with its text", KeyWithText, examples={"shop": _NEW_KEY})
_CREATING = (ExceedsOwnKey, KeyExists, TooManyKeys)

OPERATIONS = {
    "keys.create": Operation(
        "createKey",
        _TAG,
        "Create an API key",
        {201: _WITH_TEXT},
        (*_CREATING, NoKeyYet),
        Body(KeyRequest, examples={"shop": _ASKED}),
    ),
    "keys.index": Operation(
        "listKeys",
        _TAG,
        "List API keys",
        {
            200: Response(
                "a page of API keys", KeyPage, examples={"one": {"data": [_KEY], "has_more": False, "next": None}}
            )
        },
        query=KeysQuery,
    ),
    "keys.read": Operation("getKey", _TAG, "Read an API key", {200: _ANSWER}, (KeyNotFound,)),
    "keys.update": Operation(
        "updateKey",
        _TAG,
        "Change an API key",
        {200: _ANSWER},
        (KeyNotFound, KeyEnded, ExceedsOwnKey),
        Body(KeyPatch, examples={"fewer_addresses": {"networks": ["203.0.113.7"]}}),
    ),
    "keys.rotate": Operation(
        "rotateKey",
        _TAG,
        "Replace an API key",
        {201: _WITH_TEXT},
        (KeyNotFound, KeyEnded, *_CREATING),
        Body(KeyRotationRequest, is_required=False, examples={"an_hour": {"overlap_s": 3600}}),
    ),
    "keys.revoke": Operation(
        "revokeKey",
        _TAG,
        "Revoke an API key",
        {200: Response("the revoked API key", KeyResponse, examples={"shop": _REVOKED})},
        (KeyNotFound, ExceedsOwnKey),
    ),
    "limits.read": Operation(
        "getLimits",
        _TAG,
        "Read the tenant's limits",
        {200: Response("the limits, and what is left of them", LimitsResponse, examples={"acme": _LIMITS})},
    ),
}
