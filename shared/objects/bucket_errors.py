"""Explains in one line why the bucket of a tenant can't be used."""

from botocore.exceptions import ClientError, NoCredentialsError

from shared.egress.errors import EgressFailed, EgressRefused
from shared.errors import GridpressError, Misconfigured
from shared.objects.sealing import SealBroken
from shared.objects.tenant_bucket import TenantBucket

# Codes of S3 and of servers that imitate it. A response to HEAD has no code, only its status.
_MISSING = {"NoSuchBucket", "404", "NotFound"}
_UNKNOWN = {"InvalidAccessKeyId", "InvalidToken", "ExpiredToken", "InvalidClientTokenId"}
_FORBIDDEN = {"AccessDenied", "403", "Forbidden", "AllAccessDisabled"}
_ELSEWHERE = {
    "PermanentRedirect",
    "301",
    "307",
    "IllegalLocationConstraintException",
    "AuthorizationHeaderMalformed",
}
_LONGEST_CODE = 64
_ACCESS = {"key": "access_key", "role": "role_arn", "service": "bucket"}


class BucketRefused(GridpressError):
    """The bucket of a tenant does not exist, refuses, or can't be reached. `field` is the setting of the bucket that is
    probably wrong.
    """

    code = "bucket_refused"
    http_status = 400

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


def field_and_reason(error: Exception, place: TenantBucket, what: str) -> tuple[str, str]:
    """Returns the field of the bucket's settings that an error is about, and the reason in one line.

    `what` is the end of a sentence about a bucket that forbids a request, such as "may not be read".
    """
    if isinstance(error, ClientError):
        return _of_response(error, place, what)
    if isinstance(error, (EgressRefused, EgressFailed)):
        return "endpoint_url", f"{place.address} can't be used: {error}"
    if isinstance(error, SealBroken):
        return "secret_key", "the secret key can't be decrypted: GRIDPRESS_SEALING_KEY is not that of the API"
    if isinstance(error, Misconfigured):
        return "secret_key", str(error)
    if isinstance(error, NoCredentialsError):
        return "bucket", "the service has no credentials of its own: give an access key"
    return _of_unknown(error, place)


def access_field(place: TenantBucket) -> str:
    """Returns the field of the bucket's settings that gives the access."""
    return _ACCESS[place.access]


def shown_code(code: str) -> str:
    """Returns the code without characters that no S3 server uses, and cut to 64: the tenant's server chooses it."""
    return "".join(char for char in code[:_LONGEST_CODE] if char.isascii() and (char.isalnum() or char in "._-"))


def _of_response(error: ClientError, place: TenantBucket, what: str) -> tuple[str, str]:
    code = shown_code(str(error.response["Error"].get("Code", "")))
    if error.operation_name == "AssumeRole":
        return "role_arn", f"the service may not assume the role {place.role_arn} ({code})"
    access, field, reason = _ACCESS[place.access], "bucket", f"the bucket {place.bucket} {what} ({code})"
    if code in _MISSING:
        reason = f"there is no bucket {place.bucket} at {place.address}"
    elif code in _UNKNOWN:
        field, reason = access, f"{place.address} does not know these credentials ({code})"
    elif code == "SignatureDoesNotMatch":
        field = "secret_key" if place.access_key else access
        reason = f"the secret key does not belong to the access key ({code})"
    elif code in _FORBIDDEN:
        field, reason = access, f"the bucket {place.bucket} {what} with this access ({code})"
    elif code in _ELSEWHERE:
        field, reason = "region", f"the bucket {place.bucket} is not in the region {place.region} ({code})"
    return field, reason


def _of_unknown(error: Exception, place: TenantBucket) -> tuple[str, str]:
    if isinstance(error, (LookupError, TypeError, AttributeError)):
        return "endpoint_url", f"{place.address} sent a response that is not one of S3 ({_first_line(error)})"
    return _ACCESS[place.access], f"the request can't be sent: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
