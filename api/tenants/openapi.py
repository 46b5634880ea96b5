"""OpenAPI entries of the routes about the data of a tenant."""

from api.openapi.operation import Body, Operation, Response
from api.tenants.retention import RetentionRequest, RetentionResponse
from shared.errors import TenantNotFound

_TAG = "Access"
_KEPT = {"delete_after_s": 2_592_000}
_RETENTION = Response(
    "how long jobs and batches are kept", RetentionResponse, examples={"acme": {"tenant": "acme", **_KEPT}}
)

OPERATIONS = {
    "retention.read": Operation(
        "getRetention", _TAG, "Read how long data is kept", {200: _RETENTION}, (TenantNotFound,)
    ),
    "retention.replace": Operation(
        "setRetention",
        _TAG,
        "Set how long data is kept",
        {200: _RETENTION},
        (TenantNotFound,),
        Body(RetentionRequest, examples={"thirty_days": _KEPT}),
    ),
}
