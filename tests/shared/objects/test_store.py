"""What goes over the wire to an object store: nothing is asked twice, nothing goes unchecked."""

import hashlib
import io

import pytest
import urllib3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from pydantic import SecretStr

from shared.ids import ObjectKey
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings

DATA = b"a picture"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_object_goes_out_in_one_request_that_its_hash_signs(scheme: str) -> None:
    sent: list[AWSPreparedRequest] = []

    def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        sent.append(request)
        headers = {"ETag": hashlib.md5(DATA, usedforsecurity=False).hexdigest()}
        return AWSResponse(request.url, 200, headers, urllib3.HTTPResponse(io.BytesIO(), preload_content=False))

    settings = Settings(
        s3_endpoint_url=f"{scheme}://127.0.0.1:1", s3_access_key="key", s3_secret_key=SecretStr("secret")
    )
    objects = ObjectStore(settings)
    objects._client.meta.events.register("before-send.s3.PutObject", answer)
    objects.put(ObjectKey("jobs/image.png"), DATA, "image/png")
    (request,) = sent
    headers = {str(name).lower(): value for name, value in request.headers.items()}
    assert "expect" not in headers
    signed = headers["x-amz-content-sha256"]
    assert (signed.decode() if isinstance(signed, bytes) else signed) == hashlib.sha256(DATA).hexdigest()
