"""Describes the calls about tenants and their limits."""

from collections.abc import Mapping
from typing import TypedDict

from gridpress.client.calls.call import Call, as_model, escaped
from shared.responses.limits import LimitsResponse, TenantLimitsResponse
from shared.responses.tenants import TenantPage

_LIMITS = as_model(TenantLimitsResponse)


class LimitFields(TypedDict, total=False):
    """Limits of a tenant by name. None removes a limit."""

    requests_per_minute: int | None
    pixels_per_day: int | None
    queued_renders: int | None
    concurrent_renders: int | None
    connections: int | None
    streams: int | None
    pictures_per_month: int | None
    device_seconds_per_month: int | None
    stored_bytes: int | None
    weight: int | None


def tenants() -> Call[TenantPage]:
    """Reads the first page of all tenants."""
    return Call("GET", "/v1/tenants", as_model(TenantPage))


def own_limits() -> Call[LimitsResponse]:
    """Reads the limits of the caller's tenant, and what is left of them."""
    return Call("GET", "/v1/limits", as_model(LimitsResponse))


def limits(tenant: str) -> Call[TenantLimitsResponse]:
    """Reads the limits that are set for a tenant."""
    return Call("GET", _path(tenant), _LIMITS)


def set_limits(tenant: str, changes: Mapping[str, object]) -> Call[TenantLimitsResponse]:
    """Changes some limits of a tenant."""
    return Call("PATCH", _path(tenant), _LIMITS, body=dict(changes))


def _path(tenant: str) -> str:
    return f"/v1/tenants/{escaped(tenant)}/limits"
