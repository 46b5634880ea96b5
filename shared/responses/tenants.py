"""Schemas of the list of tenants."""

from typing import Literal, Self

from pydantic import BaseModel, Field

from shared.access.tenants import TenantFacts


class TenantResponse(BaseModel):
    """A tenant of the service."""

    id: str
    object: Literal["tenant"] = "tenant"
    num_keys: int = Field(description="API keys, also those that have ended")
    num_open_jobs: int = Field(description="jobs that have not ended")
    queued_renders: int = Field(description="pictures that have not started")
    running_renders: int = Field(description="pictures that have started and not ended")
    stored_bytes: int = Field(description="bytes of pictures, condition images and files")
    has_limits: bool = Field(description="whether at least one limit is set")
    has_bucket: bool = Field(description="whether its pictures are copied into a bucket of its own")
    is_paused: bool = Field(description="whether an operator has paused the tenant")
    is_erasing: bool = Field(description="whether its data is being erased")

    @classmethod
    def of(cls, found: TenantFacts) -> Self:
        return cls(
            id=found.tenant,
            num_keys=found.num_keys,
            num_open_jobs=found.num_open_jobs,
            queued_renders=found.load.queued,
            running_renders=found.load.running,
            stored_bytes=found.stored_bytes,
            has_limits=found.has_limits,
            has_bucket=found.has_bucket,
            is_paused=found.is_paused,
            is_erasing=found.is_erasing,
        )


class TenantPage(BaseModel):
    """A page of tenants in alphabetical order. Pass `next` as `after` to get the next page."""

    data: list[TenantResponse]
    has_more: bool
    next: str | None
