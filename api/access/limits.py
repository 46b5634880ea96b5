"""The route `/v1/limits`, with which a tenant reads its own limits: what is allowed, what is left, when it refills."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint

from api.edge.authentication import Caller, caller
from api.edge.open_requests import Kind, most_open
from api.services import Services, services
from shared.responses.limits import (
    BudgetResponse,
    CountLimitResponse,
    LimitsResponse,
    RateLimitResponse,
    ServiceLimitsResponse,
)
from shared.settings.settings import Settings

limits = Blueprint("limits", __name__, url_prefix="/v1/limits")


@limits.get("")
def read() -> dict[str, Any]:
    """Returns the limits of the caller's tenant: what is allowed, what is left, and when it refills.

    Any API key with the scope `read` may ask. Without API keys there are no limits of a tenant.
    """
    deps, asked_by = services(), caller()
    allowed = asked_by.limits
    requests, pixels = deps.rate_limits.look(asked_by.tenant, allowed)
    load, now = deps.store.load(asked_by.tenant), datetime.now(UTC)
    spent = deps.admission.spent(asked_by.tenant, load, now)
    return LimitsResponse(
        tenant=asked_by.tenant,
        requests=RateLimitResponse.of(requests),
        pixels=RateLimitResponse.of(pixels),
        queued_renders=CountLimitResponse.of(allowed.queued_renders, load.queued),
        concurrent_renders=CountLimitResponse.of(allowed.concurrent_renders, load.running),
        connections=_open(deps, asked_by, "connections"),
        streams=_open(deps, asked_by, "streams"),
        pictures_per_month=BudgetResponse.of(allowed.pictures_per_month, spent.pictures, now),
        device_seconds_per_month=BudgetResponse.of(allowed.device_seconds_per_month, spent.device_s, now),
        stored_bytes=CountLimitResponse.of(allowed.stored_bytes, deps.store.stored_bytes(asked_by.tenant)),
        weight=allowed.weight or 1,
        service=_of_service(deps.settings),
    ).model_dump(mode="json")


def _open(deps: Services, asked_by: Caller, kind: Kind) -> CountLimitResponse:
    """Returns the tenant's limit of open requests or event streams, and how many are open now."""
    most = most_open(kind, deps.quotas, asked_by.limits) if asked_by.key else None
    return CountLimitResponse.of(most, getattr(deps.quotas, kind).held_by(asked_by.tenant))


def _of_service(settings: Settings) -> ServiceLimitsResponse:
    return ServiceLimitsResponse(
        n=settings.max_n,
        images=settings.max_images,
        image_pixels=settings.max_image_pixels,
        num_inference_steps=settings.max_inference_steps,
        prompt_chars=settings.max_prompt_chars,
        body_bytes=settings.max_body_bytes,
        file_bytes=settings.max_file_bytes,
        batch_file_bytes=settings.max_batch_file_bytes,
        batch_lines=settings.max_batch_lines,
        webhook_endpoints=settings.max_webhook_endpoints,
    )
