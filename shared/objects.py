"""The object store: boto3 against S3, embedded or not. Bytes in, bytes out; knows nothing of jobs."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import boto3
import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from shared.errors import Misconfigured, ObjectNotFound, ObjectStoreUnavailable
from shared.ids import ObjectKey
from shared.settings import Settings

log = structlog.get_logger()

_HOW_TO_SIGN = "set GRIDPRESS_S3_ACCESS_KEY and GRIDPRESS_S3_SECRET_KEY"


class ObjectStore:
    """One bucket. Every method raises `ObjectStoreUnavailable` when S3 does not answer or refuses.

    Reading a key that is not there raises `ObjectNotFound`.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises `Misconfigured` without an endpoint or credentials, and for an endpoint that is no URL."""
        if not settings.s3_endpoint_url and not settings.s3_access_key:
            raise Misconfigured(
                "no object store: run `gridpress up`, or set GRIDPRESS_S3_ENDPOINT_URL=http://HOST:PORT"
            )
        self._bucket = settings.s3_bucket
        self._presign_ttl_s = settings.s3_presign_ttl_s
        self._client = _client(settings, settings.s3_endpoint_url)
        # SigV4 signs the host, so links are signed for the address that clients use.
        public = settings.s3_public_endpoint_url
        self._public_client = _client(settings, public) if public else self._client
        self._hasty_client = _client(settings, settings.s3_endpoint_url, is_hasty=True)

    def put(self, key: ObjectKey, data: bytes, content_type: str) -> None:
        with _translated():
            self._client.put_object(Bucket=self._bucket, Key=key, Body=data, ContentType=content_type)

    def get(self, key: ObjectKey) -> bytes:
        with _translated():
            return bytes(self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read())

    def stream(self, key: ObjectKey) -> Iterator[bytes]:
        """The object in chunks of 256 KiB. A key that is not there raises here, not at the first chunk."""
        with _translated():
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
        return _chunks(body)

    def presign(self, key: ObjectKey, *, filename: str, content_type: str) -> str:
        """A link that reads this object for `s3_presign_ttl_s` seconds, named and typed as given."""
        params = {
            "Bucket": self._bucket,
            "Key": key,
            "ResponseContentType": content_type,
            "ResponseContentDisposition": f'inline; filename="{filename}"',
        }
        return str(
            self._public_client.generate_presigned_url("get_object", Params=params, ExpiresIn=self._presign_ttl_s)
        )

    def check(self) -> None:
        """Raises `Misconfigured` when there is no such bucket or the credentials are not good for it.

        Whoever asks waits for the answer (a start, a probe), so it takes seconds at most.
        """
        with _translated():
            try:
                self._hasty_client.head_bucket(Bucket=self._bucket)
            except NoCredentialsError as error:
                raise Misconfigured(f"no credentials: {_HOW_TO_SIGN}") from error
            except ClientError as error:
                raise self._fault(error) from error

    def _fault(self, error: ClientError) -> Exception:
        """A HEAD has no body, so the status is all that S3 says."""
        match error.response["Error"]["Code"]:
            case "404":
                return Misconfigured(f"there is no bucket {self._bucket}: make it, or set GRIDPRESS_S3_BUCKET")
            case "403":
                return Misconfigured(f"the object store refuses these credentials: {_HOW_TO_SIGN}")
        return error


def open_objects(settings: Settings) -> ObjectStore:
    """The object store of a worker, which is asked once whether it takes our keys.

    One that does not answer now may do so later. Raises `Misconfigured` as `ObjectStore` and its `check` do.
    """
    objects = ObjectStore(settings)
    try:
        objects.check()
    except ObjectStoreUnavailable as error:
        log.warning("object_store.unavailable", error=str(error))
    return objects


def _chunks(body: Any) -> Iterator[bytes]:
    """Gives the connection back even when the reader leaves half-way."""
    with closing(body):
        yield from body.iter_chunks(256 * 1024)


def _client(settings: Settings, endpoint_url: str | None, *, is_hasty: bool = False) -> Any:
    try:
        return _signing_client(settings, endpoint_url, is_hasty=is_hasty)
    except ValueError as error:
        raise Misconfigured(f"{endpoint_url} is no address of an object store, such as http://HOST:PORT") from error


def _signing_client(settings: Settings, endpoint_url: str | None, *, is_hasty: bool) -> Any:
    secret = settings.s3_secret_key
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            connect_timeout=5,
            read_timeout=5 if is_hasty else 60,
            retries={"mode": "standard", "total_max_attempts": 1 if is_hasty else 4},
            max_pool_connections=64,
        ),
    )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            raise ObjectNotFound(f"no such object: {error}") from error
        raise ObjectStoreUnavailable(f"the object store refuses: {error}") from error
    except BotoCoreError as error:
        raise ObjectStoreUnavailable(f"the object store does not answer as it should: {error}") from error
