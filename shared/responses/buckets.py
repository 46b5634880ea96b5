"""Defines the schema of a tenant's bucket in API responses. It never contains a secret."""

from typing import Literal, Self

from pydantic import BaseModel, Field

from shared.ids import TenantId
from shared.objects.tenant_bucket import TenantBucket
from shared.responses.schemas import Moment
from shared.store.copies.buckets import BucketHealth


class BucketResponse(BaseModel):
    """The bucket of a tenant, into which finished pictures are copied. All fields are null if the tenant has none."""

    tenant: str
    bucket: str | None
    prefix: str | None = Field(description="prefix of the copies in the bucket; it ends with a slash, or is empty")
    location: str | None = Field(description="the URI of bucket and prefix")
    endpoint_url: str | None = Field(description="URL of the S3 server; null: AWS")
    region: str | None
    access: Literal["key", "role", "service"] | None = Field(
        description="how the service gets access: by an access key, by a role, or by its own credentials"
    )
    access_key: str | None
    role_arn: str | None
    external_id: str | None
    updated_at: Moment | None
    num_waiting: int = Field(description="jobs and batches that are still to be copied")
    num_deleting: int = Field(
        description="deleted jobs and batches whose copies are still to be deleted, some for the second time"
    )
    error: str | None = Field(description="why the last copy or deletion failed; null unless the bucket refuses now")
    failing_since: Moment | None
    slow_request_s: float | None = Field(
        description="mean time of the last requests to the bucket, if it is so long that the bucket counts as slow"
    )

    @classmethod
    def of(cls, tenant: TenantId, place: TenantBucket | None, health: BucketHealth) -> Self:
        """Returns the response for a tenant. `place` is None if the tenant has no bucket."""
        return cls(
            tenant=tenant,
            bucket=place.bucket if place else None,
            prefix=place.prefix if place else None,
            location=place.location(place.prefix) if place else None,
            endpoint_url=place.endpoint_url if place else None,
            region=place.region if place else None,
            access=place.access if place else None,
            access_key=place.access_key if place else None,
            role_arn=place.role_arn if place else None,
            external_id=place.external_id if place else None,
            updated_at=place.updated_at if place else None,
            num_waiting=health.num_waiting,
            num_deleting=health.num_deleting,
            error=health.error,
            failing_since=health.failing_since,
            slow_request_s=health.slow_s,
        )
