"""An S3 server is the same however its URL is spelled, and the service's own access is for its own server."""

import json
from typing import Any

import pytest

from api.tenants.bucket_schemas import BucketRequest, bucket_of_request
from shared.egress.rules import AllowList, EgressRules
from shared.errors import InvalidRequest
from shared.ids import TenantId
from shared.objects.tenant_bucket import TenantBucket
from shared.settings.settings import Settings
from shared.store.copies.buckets import BucketStore
from shared.store.core.connect import Client

ACME, GLOBEX = TenantId("acme"), TenantId("globex")
RULES = EgressRules(AllowList.read("s3.internal", "the test"))
ROLE = "arn:aws:iam::123456789012:role/gridpress"
OURS = Settings(s3_endpoint_url="https://s3.example.com", s3_bucket="gridpress")
AWS = Settings(s3_endpoint_url=None, s3_bucket="gridpress")


def place_of(settings: Settings = OURS, **fields: Any) -> TenantBucket:
    asked = BucketRequest.model_validate({"bucket": "acme-pictures", "role_arn": ROLE, **fields})
    return bucket_of_request(asked, ACME, settings, RULES)


def refused_field(settings: Settings = OURS, **fields: Any) -> str | None:
    with pytest.raises(InvalidRequest) as refused:
        place_of(settings, **fields)
    assert str(refused.value).startswith(f"{refused.value.field}: ")
    return refused.value.field


@pytest.mark.parametrize(
    "url",
    [
        "https://s3.example.com",
        "https://s3.example.com/",
        "https://S3.Example.COM",
        "https://s3.example.com:443",
        "https://s3.example.com.",
        "https://s3.example.com.:443/",
    ],
)
def test_the_bucket_of_the_service_is_refused_in_every_spelling(url: str) -> None:
    assert refused_field(bucket="gridpress", endpoint_url=url) == "bucket"
    assert place_of(endpoint_url=url).endpoint_url == "https://s3.example.com"
    hosted = url.lower().replace("://", "://gridpress.")
    assert refused_field(bucket="acme-pictures", endpoint_url=hosted) == "bucket"


@pytest.mark.parametrize(
    "url",
    [
        None,
        "https://s3.eu-central-1.amazonaws.com",
        "https://s3.dualstack.eu-west-1.amazonaws.com",
        "https://s3-accelerate.amazonaws.com:443",
        "https://bucket.vpce-1a2b-3c4d.s3.us-east-1.vpce.amazonaws.com",
    ],
)
def test_aws_is_one_server(url: str | None) -> None:
    assert refused_field(AWS, bucket="gridpress", endpoint_url=url) == "bucket"
    assert place_of(AWS, endpoint_url=url).server == "aws"
    assert place_of(OURS, bucket="gridpress", endpoint_url=url)  # of another server


@pytest.mark.parametrize(
    "url",
    [
        "https://acme-pictures.s3.eu-central-1.amazonaws.com",
        "https://globex-pictures.s3.eu-central-1.amazonaws.com",
        "https://globex-pictures.s3-accelerate.amazonaws.com",
        "",
        "https://",
        "https://s3.example.com:port",
    ],
)
def test_a_url_that_is_not_that_of_a_server_is_refused(url: str) -> None:
    assert refused_field(endpoint_url=url) == "endpoint_url"


@pytest.mark.parametrize(
    ("bucket", "url"),
    [
        ("storage", "https://storage.example.net"),
        ("acme", "https://acme.example.com:9000"),
        ("s3.acme", "https://s3.acme.example"),
    ],
)
@pytest.mark.parametrize("settings", [OURS, AWS])
def test_a_server_may_have_the_name_of_the_bucket_in_its_own(settings: Settings, bucket: str, url: str) -> None:
    assert place_of(settings, bucket=bucket, endpoint_url=url).endpoint_url == url


@pytest.mark.parametrize(
    ("settings", "url", "is_own"),
    [
        (OURS, "https://s3.example.com:443", True),
        (OURS, "https://s3.elsewhere.example", False),
        (OURS, "http://s3.internal:9000", False),
        (OURS, None, False),
        (AWS, None, True),
        (AWS, "https://s3.eu-central-1.amazonaws.com", True),
        (AWS, "https://s3.example.com", False),
        (AWS, "https://s3.cn-north-1.amazonaws.com.cn", False),
    ],
)
def test_the_services_own_access_goes_to_its_own_server_alone(
    settings: Settings, url: str | None, is_own: bool
) -> None:
    if is_own:
        assert place_of(settings, role_arn=None, endpoint_url=url).access == "service"
    else:
        assert refused_field(settings, role_arn=None, endpoint_url=url) == "access_key"


@pytest.mark.parametrize(
    ("one", "other", "overlaps"),
    [
        ("https://s3.example.com", "https://s3.example.com:443", True),
        ("https://s3.example.com.", "https://s3.example.com", True),
        ("https://s3.eu-west-1.amazonaws.com", None, True),
        (None, "https://s3.eu-central-1.amazonaws.com", True),
        ("https://s3.example.com", "https://s3.example.com:9000", False),
    ],
)
@pytest.mark.parametrize("is_earlier", [False, True])
def test_prefixes_overlap_on_a_server_in_every_spelling(
    client: Client, one: str | None, other: str | None, overlaps: bool, is_earlier: bool
) -> None:
    buckets = BucketStore(client)
    buckets.save(TenantBucket(ACME, "shared", "a/", endpoint_url=one))
    wanted = TenantBucket(GLOBEX, "shared", "a/b/", endpoint_url=other)
    if is_earlier:  # an earlier release has stored no server
        record = json.loads(client.hget("gridpress:buckets", ACME) or "")
        client.hset("gridpress:buckets", ACME, json.dumps({key: record[key] for key in record if key != "server"}))
    if overlaps:
        with pytest.raises(InvalidRequest, match=r"^prefix: it overlaps"):
            buckets.save(wanted)
    else:
        buckets.save(wanted)
    assert (buckets.find(GLOBEX) is None) == overlaps
