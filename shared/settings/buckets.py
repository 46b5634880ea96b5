"""Defines the settings of tenants' own buckets. `Settings` includes them."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class BucketSettings(BaseSettings):
    """The settings of the copies into buckets of tenants. docs/tenant_buckets.md explains them."""

    sealing_key: SecretStr | None = Field(
        default=None,
        description="key that encrypts the secret keys of tenants' buckets in the job store, gpk_... If unset, it is "
        "created once in GRIDPRESS_DATA_DIR. After a comma, earlier keys may follow, which only decrypt. All processes "
        "need the same keys",
    )
    sts_endpoint_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="URL of the service (STS) that gives the credentials of a role. If unset: AWS STS in the region of "
        "the bucket",
    )
    bucket_slots: int = Field(
        default=16,
        ge=1,
        description="maximum number of jobs that one delivery process copies into buckets at once. As many more may be "
        "under way that take longer than 10 s",
    )
    bucket_concurrency: int = Field(
        default=4, ge=1, description="maximum number of jobs of one tenant that are copied into its bucket at once"
    )
    bucket_patience_s: float = Field(
        default=3600.0,
        gt=0,
        description="time for which copying into a bucket that refuses or is slow is tried again. After it the copy "
        "counts as failed, and the webhook of the job is sent",
    )
