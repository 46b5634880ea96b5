"""Defines and checks the request that gives a tenant a bucket of its own."""

import re
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from shared.egress.errors import EgressRefused
from shared.egress.rules import EgressRules
from shared.errors import InvalidRequest, Misconfigured
from shared.ids import TenantId
from shared.objects.own_bucket import is_own_bucket, own_servers
from shared.objects.sealing import Sealing
from shared.objects.tenant_bucket import TenantBucket
from shared.settings.settings import Settings

_BUCKET = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
_PREFIX = r"^([A-Za-z0-9_=@!-][A-Za-z0-9._=@!-]*/)*([A-Za-z0-9_=@!-][A-Za-z0-9._=@!-]*)?$"
_REGION = r"^[a-z0-9-]{1,32}$"
_ROLE = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$"
_EXTERNAL_ID = r"^[A-Za-z0-9_+=,.@:/-]+$"
_KEY = r"^[!-~]+$"  # printable ASCII without spaces
_DEFAULT_PORT = {"https": 443, "http": 80}
# A host of AWS that names a bucket, such as acme.s3.eu-central-1.amazonaws.com. Hosts of VPC endpoints are others.
_AWS_BUCKET = re.compile(r".+\.s3[.-].*(?<!\.vpce)\.amazonaws\.com(\.cn)?$")


class BucketRequest(BaseModel):
    """A bucket for the pictures of a tenant. Fields that are left out are not kept from an earlier request."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    bucket: Annotated[str, Field(pattern=_BUCKET)] = Field(description="name of the bucket; it must exist")
    prefix: Annotated[str, Field(pattern=_PREFIX, max_length=256)] = Field(
        default="", description="folder in the bucket for the copies. Another tenant must not have it, or one above it"
    )
    endpoint_url: str | None = Field(
        default=None, max_length=512, description="URL of the S3 server, without a path; null: AWS"
    )
    region: Annotated[str, Field(pattern=_REGION)] = Field(default="us-east-1", description="region of the bucket")
    access_key: Annotated[str, Field(pattern=_KEY, max_length=256)] | None = Field(
        default=None, description="access key that may use the bucket"
    )
    secret_key: Annotated[str, Field(pattern=_KEY, max_length=256)] | None = Field(
        default=None, description="secret key of the access key. It is stored encrypted, and no response has it"
    )
    role_arn: Annotated[str, Field(pattern=_ROLE, max_length=1024)] | None = Field(
        default=None, description="role of AWS that the service assumes for this bucket, instead of an access key"
    )
    external_id: Annotated[str, Field(pattern=_EXTERNAL_ID, min_length=2, max_length=1224)] | None = Field(
        default=None, description="external id that the role demands"
    )


def bucket_of_request(asked: BucketRequest, tenant: TenantId, settings: Settings, rules: EgressRules) -> TenantBucket:
    """Returns the bucket that a request describes, with its secret key encrypted. Sends nothing.

    Raises `InvalidRequest` for fields that don't fit together, a URL that the egress rules forbid, and the bucket of
    the service itself.
    """
    _check_access(asked)
    place = TenantBucket(
        tenant=tenant,
        bucket=asked.bucket,
        prefix=f"{asked.prefix}/" if asked.prefix and not asked.prefix.endswith("/") else asked.prefix,
        endpoint_url=None if asked.endpoint_url is None else _plain(asked.endpoint_url, rules),
        region=asked.region,
        access_key=asked.access_key,
        sealed_secret=_sealed(asked.secret_key, tenant, settings) if asked.secret_key else None,
        role_arn=asked.role_arn,
        external_id=asked.external_id,
        updated_at=datetime.now(UTC),
    )
    _check_server(place, settings)
    return place


def _sealed(secret: str, tenant: TenantId, settings: Settings) -> str:
    """Returns the encrypted secret key. Raises `InvalidRequest` if the service has no key to encrypt with."""
    try:
        return Sealing.of(settings).seal(secret, tenant)
    except Misconfigured as error:
        raise InvalidRequest(f"secret_key: it can't be encrypted: {error}", "secret_key") from error


def _check_access(asked: BucketRequest) -> None:
    if bool(asked.access_key) != bool(asked.secret_key):
        missing = "secret_key" if asked.access_key else "access_key"
        raise InvalidRequest(f"{missing}: an access key and its secret key belong together", missing)
    if asked.role_arn and asked.access_key:
        raise InvalidRequest("role_arn: give a role or an access key, not both", "role_arn")
    if asked.external_id and not asked.role_arn:
        raise InvalidRequest("external_id: it belongs to a role_arn", "external_id")


def _plain(url: str, rules: EgressRules) -> str:
    """Returns the URL of an S3 server in one spelling: the host in lower case, no default port, no last dot or slash.

    Raises `InvalidRequest` for a URL with other parts, or one that the egress rules forbid.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise InvalidRequest("endpoint_url: it must be a URL such as https://HOST or https://HOST:PORT", "endpoint_url")
    try:
        target = rules.target(url)
    except EgressRefused as error:
        raise InvalidRequest(f"endpoint_url: {error}", "endpoint_url") from error
    name = f"[{target.host}]" if ":" in target.host else target.host
    port = "" if target.port == _DEFAULT_PORT[target.scheme] else f":{target.port}"
    return f"{target.scheme}://{name}{port}"


def _check_server(place: TenantBucket, settings: Settings) -> None:
    """Raises `InvalidRequest` for a URL with the name of a bucket in its host, for the bucket of the service itself,
    and for a server to which the service's own access does not belong.

    AWS takes the first part of such a host for the bucket, and the name of the bucket for a folder. Another server may
    have the host `storage.example.com` and a bucket `storage`. Copies and their erasure must not meet the service's own
    objects.
    """
    host = urlsplit(place.address).hostname or ""
    is_aws = place.server.startswith("aws")
    if (is_aws and host.startswith(f"{place.bucket}.")) or _AWS_BUCKET.match(host):
        raise InvalidRequest("endpoint_url: leave out the name of the bucket", "endpoint_url")
    if is_own_bucket(place, settings):
        raise own_bucket()
    if place.access == "service" and place.server not in own_servers(settings):
        reason = f"the service's own access is not for {place.address}: give an access key of the bucket"
        raise InvalidRequest(f"access_key: {reason}", "access_key")


def own_bucket() -> InvalidRequest:
    """Returns the error for a bucket that is the bucket of the service itself."""
    return InvalidRequest("bucket: it is the bucket of the service itself", "bucket")
