"""Tells whether the bucket of a tenant is the bucket of the service itself. Does no I/O."""

from shared.objects.tenant_bucket import TenantBucket, server_of
from shared.settings.settings import Settings


def is_own_bucket(place: TenantBucket, settings: Settings) -> bool:
    """Returns whether a bucket is that of the service, by the names of its server that the settings have.

    Copies and their erasure must not meet the service's own objects. The name of the bucket may be in the host.
    """
    own = own_servers(settings)
    is_in_host = place.server in {f"{settings.s3_bucket}.{server}" for server in own}
    return is_in_host or (place.bucket == settings.s3_bucket and place.server in own)


def own_servers(settings: Settings) -> frozenset[str]:
    """Returns the names of the S3 server with the bucket of the service."""
    public = {server_of(settings.s3_public_endpoint_url)} if settings.s3_public_endpoint_url else set()
    return frozenset({server_of(settings.s3_endpoint_url) if settings.s3_endpoint_url else "aws", *public})
