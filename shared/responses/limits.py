"""Schemas of the responses about the limits of a tenant."""

from dataclasses import asdict
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from shared.access.budget import refills_at
from shared.access.limits import RateLimitState, TenantLimits
from shared.responses.schemas import Moment


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
    """A limit of things or bytes that the tenant has at once. Without a limit, `limit` and `remaining` are null."""

    limit: int | None
    used: int
    remaining: int | None

    @classmethod
    def of(cls, limit: int | None, used: int) -> Self:
        return cls(limit=limit, used=used, remaining=None if limit is None else max(0, limit - used))


class BudgetResponse(BaseModel):
    """A budget of a calendar month in UTC. Without a budget, `limit` and `remaining` are null."""

    limit: int | None
    used: int = Field(description="what was used in this month")
    remaining: int | None
    refills_at: Moment = Field(description="the beginning of the next month")

    @classmethod
    def of(cls, limit: int | None, used: int, now: datetime) -> Self:
        remaining = None if limit is None else max(0, limit - used)
        return cls(limit=limit, used=used, remaining=remaining, refills_at=refills_at(now))


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
    connections: CountLimitResponse = Field(
        description="requests that run now on the API that responds, in all its processes; this request is counted too"
    )
    streams: CountLimitResponse = Field(
        description="event streams that are open now on the API that responds, in all its processes"
    )
    pictures_per_month: BudgetResponse = Field(
        description="pictures of this month that are finished, wait or run. Requests that would exceed it are refused"
    )
    device_seconds_per_month: BudgetResponse = Field(
        description="seconds of devices for the finished pictures of this month. Once used up, requests are refused"
    )
    stored_bytes: CountLimitResponse = Field(
        description="bytes of the pictures of jobs that can be read, of condition images and of files"
    )
    weight: int = Field(description="the tenant's share of the workers, relative to a tenant of weight 1")
    service: ServiceLimitsResponse


class TenantLimitsResponse(BaseModel):
    """The limits that the operator has set for a tenant, over all its API keys. A limit that was never set is null."""

    tenant: str
    requests_per_minute: int | None = Field(description="requests of all kinds in any minute; null: no limit")
    pixels_per_day: int | None = Field(description="pixels of the pictures of accepted jobs in any day; null: no limit")
    queued_renders: int | None = Field(description="pictures that have not started; null: no limit")
    concurrent_renders: int | None = Field(description="pictures that have started and not ended; null: no limit")
    connections: int | None = Field(description="requests that run at once; null: the default of the service")
    streams: int | None = Field(description="open event streams; null: the default of the service")
    pictures_per_month: int | None = Field(description="pictures in a calendar month; null: no budget")
    device_seconds_per_month: int | None = Field(description="seconds of devices in a calendar month; null: no budget")
    stored_bytes: int | None = Field(description="bytes of pictures, condition images and files; null: no limit")
    weight: int | None = Field(description="the tenant's share of the workers; null: the default, 1")

    @classmethod
    def of(cls, tenant: str, limits: TenantLimits) -> Self:
        return cls(tenant=tenant, **asdict(limits))
