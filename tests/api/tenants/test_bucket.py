"""An operator gives tenants buckets of their own; a tenant only reads its own, and nobody reads a secret."""

from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr

from api.app import create_app
from api.services import Services
from shared.access.rights import Scope
from shared.egress.client import EgressClient
from shared.egress.rules import LOOPBACK, EgressRules
from shared.objects.sealing import Sealing, new_sealing_key
from shared.objects.tenant_bucket import TenantBucket
from shared.settings.settings import Settings
from shared.store.copies.buckets import BucketStore
from shared.store.copies.sealing_keys import SealingKeys
from shared.store.core.connect import Client
from tests.api.access.keyed import ACME, GLOBEX, Keyed
from tests.api.conftest import SSL_CONTEXT
from tests.fixtures.buckets import Buckets

PATH = "/v1/tenants/acme/bucket"
NOTHING = {"bucket": None, "prefix": None, "location": None, "access": None, "access_key": None, "role_arn": None}
ROLE = "arn:aws:iam::123456789012:role/gridpress"


@pytest.fixture
def http(house: Services) -> FlaskClient:
    settings = house.settings.model_copy(update={"egress_allow": LOOPBACK})
    egress = EgressClient(EgressRules.of(settings, house.keys.is_open), ssl_context=SSL_CONTEXT)
    return create_app(replace(house, settings=settings, fetcher=replace(house.fetcher, client=egress))).test_client()


@pytest.fixture
def operator(http: FlaskClient, client: Client) -> Keyed:
    return Keyed(http, client, Scope.ADMIN, Scope.OPERATOR, tenant=GLOBEX)


@pytest.fixture
def asked(buckets: Buckets) -> dict[str, Any]:
    return {
        "bucket": "acme-pictures",
        "prefix": "gridpress",
        "endpoint_url": f"{buckets.s3.url}/",
        "access_key": buckets.s3.access_key,
        "secret_key": buckets.s3.secret_key,
    }


def put(caller: Keyed, body: dict[str, Any]) -> dict[str, Any]:
    answer = caller.send("PUT", PATH, json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.get_json())


def test_it_is_set_and_read_without_its_secret_and_removed(
    operator: Keyed, http: FlaskClient, client: Client, buckets: Buckets, asked: dict[str, Any], house: Services
) -> None:
    assert operator.get(PATH).items() >= NOTHING.items()
    found = put(operator, asked)
    expected = {"tenant": "acme", "bucket": "acme-pictures", "prefix": "gridpress/", "access": "key", "num_waiting": 0}
    assert found.items() >= expected.items()
    assert (found["location"], found["endpoint_url"]) == ("s3://acme-pictures/gridpress/", buckets.s3.url)
    own = Keyed(http, client, Scope.READ)
    assert own.get(PATH) == operator.get(PATH) == found
    assert buckets.s3.secret_key not in str(found)
    assert buckets.keys() == []  # nothing remains of the check
    stored = str(client.hget("gridpress:buckets", "acme"))
    assert buckets.s3.secret_key not in stored
    place = BucketStore(client).find(ACME)
    assert place
    assert place.sealed_secret
    assert Sealing.of(house.settings).open(place.sealed_secret, ACME) == buckets.s3.secret_key
    removed = operator.send("DELETE", PATH)
    assert removed.get_json().items() >= NOTHING.items()
    assert BucketStore(client).find(ACME) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"bucket": "absent"}, "bucket"),
        ({"bucket": "Not A Name"}, "bucket"),
        ({"bucket": None}, "bucket"),
        ({"bucket": "gridpress"}, "bucket"),  # the service's own
        ({"prefix": "../up"}, "prefix"),
        ({"prefix": "/top"}, "prefix"),
        ({"secret_key": "wrong"}, "secret_key"),
        ({"secret_key": None}, "secret_key"),
        ({"access_key": None}, "access_key"),
        ({"role_arn": ROLE}, "role_arn"),
        ({"role_arn": "admin"}, "role_arn"),
        ({"external_id": "a-7"}, "external_id"),
        ({"region": "evil.example/#"}, "region"),
        ({"endpoint_url": "http://10.0.0.7:9000"}, "endpoint_url"),
        ({"endpoint_url": "http://169.254.169.254"}, "endpoint_url"),
        ({"endpoint_url": "http://127.0.0.1:1"}, "endpoint_url"),
        ({"endpoint_url": "https://s3.example.com/path"}, "endpoint_url"),
        ({"endpoint_url": "file:///etc/passwd"}, "endpoint_url"),
        ({"endpoint_url": ""}, "endpoint_url"),
        ({"endpoint_url": "https://user:password@s3.example.com"}, "endpoint_url"),
        ({"public": True}, "public"),
    ],
)
def test_a_bucket_that_can_not_be_used_is_refused_with_its_field(
    operator: Keyed, client: Client, asked: dict[str, Any], changes: dict[str, Any], field: str
) -> None:
    body = {name: value for name, value in {**asked, **changes}.items() if value is not None}
    answer = operator.send("PUT", PATH, json=body)
    told = answer.get_json()
    assert (answer.status_code, told["field"]) == (400, field), told
    assert "\n" not in told["detail"]
    assert asked["secret_key"] not in answer.text
    assert BucketStore(client).find(ACME) is None


@pytest.mark.parametrize("bucket", ["own", "another name of the server"])
def test_the_bucket_of_the_service_is_known_by_what_appears_in_it(
    operator: Keyed, asked: dict[str, Any], buckets: Buckets, house: Services, bucket: str
) -> None:
    own = {**asked, "bucket": house.settings.s3_bucket}
    if bucket != "own":
        own["endpoint_url"] = buckets.s3.url.replace("127.0.0.1", "localhost")
        assert own["endpoint_url"] != buckets.s3.url
    answer = operator.send("PUT", PATH, json=own)
    assert (answer.status_code, answer.get_json()["detail"]) == (400, "bucket: it is the bucket of the service itself")
    assert not [key for page in house.objects.pages("gridpress/") for key in page]


def test_a_secret_key_needs_a_sealing_key_that_delivery_has_too(
    operator: Keyed, client: Client, asked: dict[str, Any], tmp_path: Any
) -> None:
    SealingKeys(client, "delivery", Settings(data_dir=tmp_path / "other")).fault()  # on another machine
    answer = operator.send("PUT", PATH, json=asked)
    assert (answer.status_code, answer.get_json()["field"]) == (400, "secret_key")
    assert "no common sealing key" in answer.get_json()["detail"]
    assert BucketStore(client).find(ACME) is None


def test_an_overlapping_prefix_of_another_tenant_is_refused(operator: Keyed, asked: dict[str, Any]) -> None:
    put(operator, asked)
    other = {**asked, "prefix": "gridpress/globex"}
    assert operator.refusal("PUT", "/v1/tenants/globex/bucket", json=other) == (400, "invalid_request", "prefix")
    assert operator.send("PUT", "/v1/tenants/globex/bucket", json={**asked, "prefix": "globex"}).status_code == 200


@pytest.mark.attack
@pytest.mark.parametrize("tenant", [ACME, GLOBEX])
def test_nobody_but_an_operator_with_admin_directs_pictures(
    http: FlaskClient,
    client: Client,
    operator: Keyed,
    asked: dict[str, Any],
    tenant: Any,
) -> None:
    BucketStore(client).save(place_of(asked))
    before = BucketStore(client).find(ACME)
    for scopes in [[scope] for scope in Scope] + [[Scope.READ, Scope.OPERATOR]]:
        caller = Keyed(http, client, *scopes, tenant=tenant)
        for method, body in (("PUT", {**asked, "bucket": "globex-pictures"}), ("DELETE", None)):
            answer = caller.send(method, PATH, json=body)
            assert answer.status_code in (403, 404), (scopes, answer.text)
            assert BucketStore(client).find(ACME) == before
        read = caller.send("GET", PATH)
        may_read = (tenant == ACME and Scope.READ in scopes) or Scope.OPERATOR in scopes or Scope.ADMIN in scopes
        if tenant == GLOBEX and Scope.OPERATOR not in scopes:
            assert read.status_code in (403, 404), scopes
            assert "acme-pictures" not in read.text
        elif may_read and read.status_code == 200:
            assert read.get_json()["bucket"] == "acme-pictures"


def place_of(asked: dict[str, Any]) -> TenantBucket:
    return TenantBucket(ACME, asked["bucket"], "gridpress/", asked["endpoint_url"])


def test_the_audit_log_has_the_change_and_no_secret(
    operator: Keyed, client: Client, asked: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    put(operator, asked)
    acts = operator.get("/v1/audit")
    (act,) = [each for each in acts["data"] if each["act"] == "PUT /v1/tenants/{tenant}/bucket"]
    assert act["facts"].items() >= {"bucket": "acme-pictures", "prefix": "gridpress/", "access": "key"}.items()
    logged = "".join(capfd.readouterr())
    for text in (str(acts), logged):
        assert asked["secret_key"] not in text


def test_different_sealing_keys_are_told_at_once(
    operator: Keyed, http: FlaskClient, client: Client, asked: dict[str, Any]
) -> None:
    put(operator, asked)
    delivery = SealingKeys(client, "delivery", Settings(sealing_key=SecretStr(new_sealing_key())))
    assert (operator.get("/readyz")["sealing"], operator.get("/readyz")["status"]) == ("ok", "ok")
    fault = delivery.fault()
    assert fault
    assert operator.get("/readyz")["sealing"] == fault
    assert http.get("/readyz").get_json()["sealing"] == "yes: ask with an API key of the scope operator"
    answer = operator.send("PUT", PATH, json=asked)
    told = answer.get_json()
    assert (answer.status_code, told["field"], told["detail"]) == (
        400,
        "secret_key",
        f"secret_key: it would not be of use: {fault}",
    )
    without = {name: value for name, value in asked.items() if name not in ("access_key", "secret_key")}
    assert operator.send("PUT", PATH, json=without).status_code == 200  # nothing has to be encrypted
