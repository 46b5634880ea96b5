"""OpenAPI entry of the route with which a tenant reads its limits."""

from api.access.limits import LimitsResponse
from api.openapi.operation import Operation, Response

_TAG = "Access"
_LIMITS = {
    "tenant": "acme",
    "requests": {"limit": 600, "window_s": 60, "remaining": 598, "reset_s": 0.1, "full_s": 60.0},
    "pixels": {"limit": None, "window_s": 86400, "remaining": None, "reset_s": None, "full_s": None},
    "queued_renders": {"limit": 100, "used": 3, "remaining": 97},
    "concurrent_renders": {"limit": 4, "used": 4, "remaining": 0},
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

OPERATIONS = {
    "limits.read": Operation(
        "getLimits",
        _TAG,
        "Read the tenant's limits",
        {200: Response("the limits, and what is left of them", LimitsResponse, examples={"acme": _LIMITS})},
    ),
}
