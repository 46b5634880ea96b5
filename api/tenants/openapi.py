"""OpenAPI entries of the routes about the data and the limits of a tenant."""

from api.openapi.media import TEXT
from api.openapi.operation import Body, Operation, Response
from api.tenants.bucket_schemas import BucketRequest
from api.tenants.data import ErasureQuery, ErasureResponse
from api.tenants.limits import TenantLimitsPatch
from api.tenants.retention import RetentionRequest, RetentionResponse
from api.tenants.tenants import TenantsQuery
from api.tenants.usage_schemas import UsagePage, UsageQuery
from shared.errors import TenantBeingErased, TenantNotFound
from shared.responses.buckets import BucketResponse
from shared.responses.limits import TenantLimitsResponse
from shared.responses.tenants import TenantPage

_TAG = "Access"
_KEPT = {"delete_after_s": 2_592_000}
_RETENTION = Response(
    "how long jobs and batches are kept", RetentionResponse, examples={"acme": {"tenant": "acme", **_KEPT}}
)
_LIMITS = Response(
    "the limits that are set for the tenant",
    TenantLimitsResponse,
    examples={
        "acme": {
            "tenant": "acme",
            "requests_per_minute": 600,
            "pixels_per_day": None,
            "queued_renders": 200,
            "concurrent_renders": 4,
            "connections": None,
            "streams": 50,
            "pictures_per_month": 100_000,
            "device_seconds_per_month": None,
            "stored_bytes": 10_000_000_000,
            "weight": None,
        }
    },
)
_PLACE = {"bucket": "acme-pictures", "prefix": "gridpress/", "region": "eu-central-1"}
_ROLE = {"role_arn": "arn:aws:iam::123456789012:role/gridpress", "external_id": "acme-7"}
_BUCKET = Response(
    "the bucket of the tenant",
    BucketResponse,
    examples={
        "acme": {
            "tenant": "acme",
            **_PLACE,
            "location": "s3://acme-pictures/gridpress/",
            "endpoint_url": None,
            "access": "role",
            "access_key": None,
            **_ROLE,
            "updated_at": "2026-01-05T09:30:00.000Z",
            "num_waiting": 0,
            "num_deleting": 0,
            "error": None,
            "failing_since": None,
            "slow_request_s": None,
        }
    },
)
_NONE = {"tenant": "acme", "status": "none", "phase": None, "started_at": None, "settings": None}
_BEGUN = {
    "tenant": "acme",
    "status": "erasing",
    "phase": "deleting",
    "started_at": "2026-01-05T09:30:00.000Z",
    "settings": False,
}
_USED = {
    "object": "usage",
    "day": "2026-01-05",
    "tenant": "acme",
    "key_id": None,
    "quality": None,
    "pictures": 12,
    "pixels": 12_582_912,
    "denoise_steps": 600,
    "ar_tokens": 15_372,
    "ar_device_s": 41.8,
    "dit_device_s": 96.32,
    "stored_bytes": 17_301_504,
    "webhooks": 12,
}
_USAGE = Response(
    "a page of usage",
    UsagePage,
    media={"text/csv": TEXT, "application/jsonl": TEXT},
    examples={"a_day": {"data": [_USED], "has_more": False, "next": None}},
)
_TENANT = {
    "id": "acme",
    "object": "tenant",
    "num_keys": 3,
    "num_open_jobs": 12,
    "queued_renders": 30,
    "running_renders": 4,
    "stored_bytes": 17_301_504,
    "has_limits": True,
    "has_bucket": False,
    "is_paused": False,
    "is_erasing": False,
}

OPERATIONS = {
    "tenants.index": Operation(
        "listTenants",
        _TAG,
        "List all tenants",
        {
            200: Response(
                "a page of tenants", TenantPage, examples={"one": {"data": [_TENANT], "has_more": False, "next": None}}
            )
        },
        query=TenantsQuery,
    ),
    "usage.read": Operation("getUsage", _TAG, "Read what was used", {200: _USAGE}, query=UsageQuery),
    "tenant_data.read": Operation(
        "getErasure",
        _TAG,
        "Read whether data is being erased",
        {200: Response("the state of the erasure", ErasureResponse, examples={"none": _NONE, "begun": _BEGUN})},
        (TenantNotFound,),
    ),
    "tenant_data.erase": Operation(
        "eraseTenantData",
        _TAG,
        "Erase all data of a tenant",
        {202: Response("the erasure has begun", ErasureResponse, examples={"begun": _BEGUN})},
        (TenantNotFound,),
        query=ErasureQuery,
    ),
    "tenant_limits.read": Operation(
        "getTenantLimits", _TAG, "Read the limits of a tenant", {200: _LIMITS}, (TenantNotFound,)
    ),
    "tenant_limits.update": Operation(
        "setTenantLimits",
        _TAG,
        "Change the limits of a tenant",
        {200: _LIMITS},
        (TenantNotFound,),
        Body(TenantLimitsPatch, examples={"more_pictures": {"queued_renders": 200, "pixels_per_day": None}}),
    ),
    "tenant_bucket.read": Operation(
        "getTenantBucket", _TAG, "Read the bucket of a tenant", {200: _BUCKET}, (TenantNotFound,)
    ),
    "tenant_bucket.replace": Operation(
        "setTenantBucket",
        _TAG,
        "Give a tenant a bucket",
        {200: _BUCKET},
        (TenantNotFound, TenantBeingErased),
        Body(
            BucketRequest,
            examples={
                "role": {**_PLACE, **_ROLE},
                "key": {
                    "bucket": "acme-pictures",
                    "endpoint_url": "https://s3.example.com",
                    "access_key": "ACCESS_KEY",
                    "secret_key": "SECRET_KEY",
                },
            },
        ),
    ),
    "tenant_bucket.remove": Operation(
        "removeTenantBucket", _TAG, "Take the bucket from a tenant", {200: _BUCKET}, (TenantNotFound,)
    ),
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
