"""Creates boto3's S3 client from the settings."""

import socket
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.handlers import add_expect_header

from shared.errors import Misconfigured, ObjectStoreUnavailable
from shared.metrics.object_requests import watch_requests
from shared.process.tcp import TCP_OPTIONS
from shared.settings.settings import Settings


def check_given(settings: Settings) -> None:
    """Raises `Misconfigured` if the settings and the environment name no object store. Also raises it if only one of
    access key and secret key is set.
    """
    if bool(settings.s3_access_key) != bool(settings.s3_secret_key):
        raise Misconfigured("GRIDPRESS_S3_ACCESS_KEY and GRIDPRESS_S3_SECRET_KEY: one is set without the other")
    if settings.s3_endpoint_url or settings.s3_access_key or _finds_credentials():
        return
    raise Misconfigured("no object store: run `gridpress up`, or set GRIDPRESS_S3_ENDPOINT_URL=http://HOST:PORT")


def _finds_credentials() -> bool:
    """Returns whether boto3 finds credentials by itself. If nothing is configured, the search takes two seconds."""
    try:
        return boto3.Session().get_credentials() is not None
    except BotoCoreError as error:
        raise ObjectStoreUnavailable(f"the object store's credentials can't be fetched: {error}") from error


def client_of(settings: Settings, endpoint_url: str | None, *, fails_fast: bool = False) -> Any:
    """Returns an S3 client. With `fails_fast`, a request is tried only once and waits 5 s at most.

    Raises `Misconfigured` for an invalid URL.
    """
    try:
        return _signing_client(settings, endpoint_url, fails_fast=fails_fast)
    except ValueError as error:
        raise Misconfigured(f"{endpoint_url} is not the URL of an object store, such as http://HOST:PORT") from error


def _signing_client(settings: Settings, endpoint_url: str | None, *, fails_fast: bool) -> Any:
    secret = settings.s3_secret_key
    client = boto3.client(
        "s3",
        endpoint_url=endpoint_url or None,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key or None,
        aws_secret_access_key=(secret.get_secret_value() or None) if secret else None,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            connect_timeout=5,
            read_timeout=5 if fails_fast else 60,
            retries={"mode": "standard", "total_max_attempts": 1 if fails_fast else 4},
            max_pool_connections=64,
            tcp_keepalive=True,
            user_agent="gridpress",  # boto3 would build its default again for every request
            # An upload without a checksum is signed with the SHA-256 of its body, over TLS too. S3 compares that with
            # what arrived, so a CRC32 would add nothing. With a checksum, botocore would leave the SHA-256 out over TLS
            # (`S3SigV4Auth._should_sha256_sign_payload`).
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    # The socket options of every connection of this client. botocore has no public setting for them.
    client._endpoint.http_session._socket_options.extend(
        (socket.IPPROTO_TCP, option, value) for option, value in TCP_OPTIONS.items()
    )
    # `Expect: 100-continue` asks before a body is sent, a second round trip for each of our small objects. Without it,
    # the body of a refused request is sent for nothing.
    client.meta.events.unregister("before-call.s3", add_expect_header)
    watch_requests(client)
    return client
