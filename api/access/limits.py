"""The route `/v1/limits`, with which a tenant reads its own limits: what is allowed, what is left, when it refills."""

from typing import Any, Self

from flask import Blueprint
from pydantic import BaseModel, Field

from api.edge.authentication import caller
from api.services import services
from shared.access.limits import RateLimitState
from shared.settings.settings import Settings

limits = Blueprint("limits", __name__, url_prefix="/v1/limits")


class RateLimitResponse(BaseModel):
    """A rate limit: the units that the tenant may use in a sliding window of time.

    Without a limit, `limit`, `remaining`, `reset_s` and `full_s` are null.
    """

    limit: int | None = Field(description="the number of units that the tenant may use within `window_s`")
    window_s: int = Field(description="the length of the window in seconds")
    remaining: int | None = Field(description="the number of units that are free now")
    reset_s: float | None = Field(description="seconds until one more unit is free; 0 if all are free")
    full_s: float | None = Field(description="seconds until all units are free, if nothing is used until then")

    @classmethod
    def of(cls, state: RateLimitState) -> Self:
        found = state.usage
        if found is None:
            return cls(limit=None, window_s=state.window_s, remaining=None, reset_s=None, full_s=None)
        return cls(
            limit=found.quota.limit,
            window_s=state.window_s,
            remaining=found.remaining,
            reset_s=round(found.reset_s, 3),
            full_s=round(state.full_s, 3),
        )


class CountLimitResponse(BaseModel):
    """A limit of things that the tenant has at once. Without a limit, `limit` and `remaining` are null."""

    limit: int | None
    used: int
    remaining: int | None

    @classmethod
    def of(cls, limit: int | None, used: int) -> Self:
        return cls(limit=limit, used=used, remaining=None if limit is None else max(0, limit - used))


class ServiceLimitsResponse(BaseModel):
    """The maxima that hold for every tenant."""

    n: int = Field(description="pictures of one request")
    images: int = Field(description="condition images of one request")
    image_pixels: int = Field(description="pixels of one condition image, before it is scaled")
    num_inference_steps: int = Field(description="denoise steps of one request")
    prompt_chars: int = Field(description="characters of a prompt")
    body_bytes: int = Field(description="bytes of a request body")
    file_bytes: int = Field(description="bytes of a file")
    batch_file_bytes: int = Field(description="bytes of a file that is uploaded with `purpose=batch`")
    batch_lines: int = Field(description="lines of one batch")
    webhook_endpoints: int = Field(description="webhook endpoints of one tenant")

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
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


class LimitsResponse(BaseModel):
    """The limits of the caller's tenant, over all its API keys, and what is left of them."""

    tenant: str
    requests: RateLimitResponse = Field(description="requests of all kinds; this request is counted too")
    pixels: RateLimitResponse = Field(description="pixels of the pictures of accepted jobs")
    queued_renders: CountLimitResponse = Field(
        description="pictures that have not started. Requests that would exceed the limit are refused"
    )
    concurrent_renders: CountLimitResponse = Field(
        description="pictures that have started and not ended. Pictures over the limit are accepted and wait"
    )
    weight: int = Field(description="the tenant's share of the workers, relative to a tenant of weight 1")
    service: ServiceLimitsResponse


@limits.get("")
def read() -> dict[str, Any]:
    """Returns the limits of the caller's tenant: what is allowed, what is left, and when it refills.

    Any API key with the scope `read` may ask. Without API keys there are no limits of a tenant.
    """
    deps, asked_by = services(), caller()
    allowed = asked_by.limits
    requests, pixels = deps.rate_limits.look(asked_by.tenant, allowed)
    load = deps.store.load(asked_by.tenant)
    return LimitsResponse(
        tenant=asked_by.tenant,
        requests=RateLimitResponse.of(requests),
        pixels=RateLimitResponse.of(pixels),
        queued_renders=CountLimitResponse.of(allowed.queued_renders, load.queued),
        concurrent_renders=CountLimitResponse.of(allowed.concurrent_renders, load.running),
        weight=allowed.weight or 1,
        service=ServiceLimitsResponse.of(deps.settings),
    ).model_dump(mode="json")
