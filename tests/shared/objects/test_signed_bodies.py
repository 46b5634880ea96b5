"""Every body that is sent to an object store is signed, over TLS too, so that the store notices a changed one."""

import hashlib
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from pydantic import SecretStr

from shared.egress.client import EgressClient
from shared.ids import TenantId
from shared.objects.bucket_client import BucketClient
from shared.objects.bucket_credentials import BucketCredentials
from shared.objects.client import client_of
from shared.objects.tenant_bucket import TenantBucket
from shared.settings.settings import Settings
from tests.fixtures.buckets import ON_LOOPBACK, SEALING

OWN = Settings(s3_access_key="key", s3_secret_key=SecretStr("secret"))
ACME = TenantId("acme")


def of_service(url: str) -> Any:
    return client_of(OWN, url)


def of_tenant(url: str) -> Any:
    place = TenantBucket(ACME, "b", endpoint_url=url, access_key="key", sealed_secret=SEALING.seal("secret", ACME))
    return BucketClient(place, EgressClient(ON_LOOPBACK), BucketCredentials(OWN, SEALING))._client


class _Nothing:
    @staticmethod
    def stream(*_: object) -> list[bytes]:
        return []


REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("put_object", {"Key": "k", "Body": b"picture"}),
    ("put_object", {"Key": "k", "Body": b""}),
    ("upload_part", {"Key": "k", "UploadId": "u", "PartNumber": 1, "Body": b"part"}),
    ("delete_objects", {"Delete": {"Objects": [{"Key": "k"}]}}),
]


@pytest.mark.parametrize("make", [of_service, of_tenant])
@pytest.mark.parametrize("url", ["https://s3.example.com", "http://s3.example.com"])
def test_the_signature_contains_the_sha256_of_the_body(make: Any, url: str) -> None:
    client, sent = make(url), []

    def keep(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        """Stands in for the object store."""
        sent.append(request)
        return AWSResponse(request.url, 200, HeadersDict(), _Nothing())

    client.meta.events.register("before-send.s3", keep)
    for method, fields in REQUESTS:
        getattr(client, method)(Bucket="b", **fields)
    assert len(sent) == len(REQUESTS)
    for request in sent:
        body = request.body or b""
        digest = hashlib.sha256(body.read() if hasattr(body, "read") else body).hexdigest()
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        assert headers["x-amz-content-sha256"] == digest
        assert "x-amz-content-sha256" in headers["authorization"]


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
