"""Webhook endpoints over HTTP: what can be set, what is answered, what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.services import Services
from shared.access.keys import Scope
from shared.ids import DEFAULT_TENANT
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.endpoints.endpoints import EndpointStore
from shared.webhooks.endpoints import EndpointId
from shared.webhooks.secrets import is_webhook_secret
from tests.api.conftest import SECRET, with_settings

PATH = "/v1/webhook_endpoints"
URL = "https://shop.example.com/hooks"
ENDS = ["job.succeeded", "job.failed", "job.cancelled", "job.expired", "job.rejected"]

Json = dict[str, Any]
Make = Callable[..., Json]


@pytest.fixture
def make(http: FlaskClient) -> Make:
    """Creates an endpoint."""

    def create(**fields: Any) -> Json:
        answer = http.post(PATH, json={"url": URL, **fields})
        assert answer.status_code == 201, answer.text
        return answer.get_json()

    return create


def subscribed(client: Client) -> dict[str, list[str]]:
    """What would be announced to whom."""
    return {
        endpoint: json.loads(types) for endpoint, types in client.hgetall("gridpress:subscriptions:default").items()
    }


def test_a_new_endpoint_is_told_every_end_and_has_a_secret_of_its_own(make: Make, client: Client) -> None:
    first, second = make(), make()
    assert (first["url"], first["status"], first["payload"]) == (URL, "enabled", "full")
    batch_ends = [f"batch.{end}" for end in ("completed", "failed", "cancelled", "expired")]
    assert first["events"] == [*ENDS, *batch_ends, "webhook_endpoint.disabled"]
    assert first["secret"] != second["secret"]
    assert is_webhook_secret(first["secret"])
    assert subscribed(client) == {each["id"]: each["events"] for each in (first, second)}


def test_everything_can_be_set_and_is_answered_but_for_secrets(http: FlaskClient, make: Make, client: Client) -> None:
    fields = {
        "events": ["job.started", "job.progress"],
        "payload": "thin",
        "description": "the shop’s orders",
        "headers": {"X-Shop": "7", "Authorization": "Bearer s3cret"},
        "secret": SECRET,
    }
    made = make(**fields)
    assert made.pop("secret") == SECRET
    read = http.get(f"{PATH}/{made['id']}")
    assert read.get_json() == made
    assert "s3cret" not in read.text
    assert SECRET not in read.text
    assert made["header_names"] == ["Authorization", "X-Shop"]
    assert {name: made[name] for name in ("events", "payload", "description")} == {
        name: fields[name] for name in ("events", "payload", "description")
    }
    stored = EndpointStore(client).endpoint_of_any_tenant(EndpointId(made["id"]))
    assert stored
    assert (stored.headers, stored.secret) == (fields["headers"], SECRET)
    assert "s3cret" not in repr(stored)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"url": "http://shop.example.com/"}, "url"),
        ({"url": "ftp://shop.example.com/"}, "url"),
        ({"url": "https://10.0.0.7/"}, "url"),
        ({"url": "https://[fd00::7]/"}, "url"),
        ({"url": "https://169.254.169.254/latest"}, "url"),
        ({"url": "https://user:word@shop.example.com/"}, "url"),
        ({"url": "https://shop.example.com/" + "a" * 2048}, "url"),
        ({"url": "https://shop example com/"}, "url"),
        ({"url": "https:///hooks"}, "url"),
        ({"url": ""}, "url"),
        ({"url": None}, "url"),
        ({"url": "https://shop.example.com/\0"}, "url"),
        ({"events": []}, "events"),
        ({"events": ["job.queued"]}, "events[0]"),
        ({"payload": "small"}, "payload"),
        ({"description": "a" * 501}, "description"),
        ({"headers": {"webhook-id": "1"}}, "headers.webhook-id"),
        ({"headers": {"Webhook-Extra": "1"}}, "headers.Webhook-Extra"),
        ({"headers": {"Host": "internal"}}, "headers.Host"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "headers.Transfer-Encoding"),
        ({"headers": {"Proxy-Authorization": "a"}}, "headers.Proxy-Authorization"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "headers.X-A"),
        ({"headers": {"X-A": "ä"}}, "headers.X-A"),
        ({"headers": {"X-A": "a" * 1025}}, "headers.X-A"),
        ({"headers": {"X A": "a"}}, "headers"),
        ({"headers": {"X-A": "a", "x-a": "b"}}, "headers"),
        ({"headers": {f"X-{n}": "a" for n in range(21)}}, "headers"),
        ({"headers": {"X-A": 1}}, "headers.X-A"),
        ({"secret": "whsec_c2hvcnQ="}, "secret"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_what_cannot_be_is_refused_with_its_name_at_creation_and_at_a_change(
    http: FlaskClient, make: Make, fields: Json, named: str
) -> None:
    standing = http.get(f"{PATH}/{make()['id']}").get_json()
    created = http.post(PATH, json={"url": URL, **fields})
    changed = http.patch(f"{PATH}/{standing['id']}", json=fields)
    for answer in (created, changed):
        assert answer.status_code == 400, answer.text
        assert answer.get_json()["field"] == named
    assert http.get(f"{PATH}/{standing['id']}").get_json() == standing
    assert len(http.get(PATH).get_json()["data"]) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b'"a"'])
def test_a_body_that_is_no_object_is_refused(http: FlaskClient, make: Make, body: bytes) -> None:
    path = f"{PATH}/{make()['id']}"
    for method, route in (("POST", PATH), ("PATCH", path), ("POST", f"{path}/replay")):
        assert http.open(route, method=method, data=body, content_type="application/json").status_code == 400


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/", "http://localhost/hook", "http://[::1]:9/", "https://127.0.0.1/"]
)
def test_loopback_is_for_webhooks_only_until_the_first_key(http: FlaskClient, client: Client, url: str) -> None:
    assert http.post(PATH, json={"url": url}).status_code == 201
    _, text = KeyStore(client).create(DEFAULT_TENANT, [Scope.ADMIN])
    refused = http.post(PATH, json={"url": url}, headers={"Authorization": f"Bearer {text}"})
    assert (refused.status_code, refused.get_json()["field"]) == (400, "url")
    assert "loopback" in refused.get_json()["detail"]


def test_the_allow_list_permits_what_is_not_public(house: Services) -> None:
    http = with_settings(house, egress_allow="10.1.0.0/16,hooks.lan")
    urls = ["http://10.1.2.3/", "http://hooks.lan/", "http://10.2.0.1/"]
    assert [http.post(PATH, json={"url": url}).status_code for url in urls] == [201, 201, 400]


def test_a_change_leaves_the_rest_as_it_is(http: FlaskClient, make: Make, client: Client) -> None:
    made = make(events=["job.failed"], headers={"X-A": "a"}, description="first")
    path = f"{PATH}/{made['id']}"
    changed = http.patch(path, json={"url": "https://other.example.com/", "description": ""}).get_json()
    assert (changed["url"], changed["description"]) == ("https://other.example.com/", "")
    assert (changed["events"], changed["header_names"]) == (["job.failed"], ["X-A"])
    assert http.patch(path, json={}).get_json() == changed
    everything = http.patch(path, json={"events": None}).get_json()["events"]
    assert subscribed(client) == {made["id"]: everything}
    assert set(everything) >= set(ENDS)
    assert http.get(f"{path}/secret").get_json() == {"secret": made["secret"]}


def test_a_list_comes_in_pages_the_newest_first(http: FlaskClient, make: Make) -> None:
    ids = [make()["id"] for _ in range(5)][::-1]
    first = http.get(PATH, query_string={"limit": 3}).get_json()
    second = http.get(PATH, query_string={"limit": 3, "after": first["next"]}).get_json()
    assert [each["id"] for each in first["data"] + second["data"]] == ids
    assert (first["has_more"], second["has_more"], second["next"]) == (True, False, None)
    assert "secret" not in first["data"][0]
    assert http.get(PATH, query_string={"after": "ep_1"}).get_json()["field"] == "after"


def test_a_tenant_has_as_many_as_it_may(house: Services) -> None:
    http = with_settings(house, max_webhook_endpoints=2)
    answers = [http.post(PATH, json={"url": URL}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 409]
    assert answers[2].get_json()["code"] == "too_many_webhook_endpoints"
    http.delete(f"{PATH}/{answers[0].get_json()['id']}")
    assert http.post(PATH, json={"url": URL}).status_code == 201


def test_a_deleted_endpoint_is_gone_and_told_nothing(http: FlaskClient, make: Make, client: Client) -> None:
    path = f"{PATH}/{make()['id']}"
    assert http.delete(path).status_code == 204
    assert [http.get(path).status_code, http.delete(path).status_code] == [404, 404]
    assert subscribed(client) == {}
    assert not list(client.scan_iter("gridpress:endpoint*"))


def test_a_disabled_endpoint_is_told_nothing_until_it_is_enabled(http: FlaskClient, make: Make, client: Client) -> None:
    made = make(events=["job.failed"])
    path = f"{PATH}/{made['id']}"
    disabled = [http.post(f"{path}/disable").get_json() for _ in range(2)]
    assert (disabled[0]["status"], disabled[0]["disabled_reason"]) == ("disabled", "requested")
    assert disabled[0] == disabled[1]
    http.patch(path, json={"events": ["job.succeeded"]})
    assert subscribed(client) == {}
    enabled = http.post(f"{path}/enable").get_json()
    assert (enabled["status"], enabled["disabled_reason"], enabled["disabled_at"]) == ("enabled", None, None)
    assert subscribed(client) == {made["id"]: ["job.succeeded"]}


@pytest.mark.parametrize(
    ("action", "body"),
    [("test", None), ("recover", {"since": "2026-01-01T00:00:00Z"}), ("replay", {"since": "2026-01-01T00:00:00Z"})],
)
def test_nothing_is_sent_to_a_disabled_endpoint(http: FlaskClient, make: Make, action: str, body: Json | None) -> None:
    path = f"{PATH}/{make()['id']}"
    http.post(f"{path}/disable")
    answer = http.post(f"{path}/{action}", json=body)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "webhook_endpoint_disabled")


def test_a_rotated_secret_and_the_one_before_it_both_sign_for_a_day(
    http: FlaskClient, make: Make, client: Client
) -> None:
    made = make()
    path = f"{PATH}/{made['id']}"
    rotated = http.post(f"{path}/rotate_secret").get_json()
    assert rotated["secret"] != made["secret"]
    again = http.post(f"{path}/rotate_secret", json={"secret": SECRET}).get_json()
    assert again["secret"] == http.get(f"{path}/secret").get_json()["secret"] == SECRET
    endpoint = EndpointStore(client).endpoint_of_any_tenant(EndpointId(made["id"]))
    assert endpoint
    now = datetime.now(UTC)
    assert endpoint.secrets_at(now) == (SECRET, rotated["secret"], made["secret"])
    assert endpoint.secrets_at(now + timedelta(hours=23, minutes=59)) == endpoint.secrets_at(now)
    assert endpoint.secrets_at(now + timedelta(hours=24)) == (SECRET,)
    assert http.get(path).get_json()["old_secret_ends_at"] > rotated["updated_at"]


def test_to_rotate_to_the_standing_secret_changes_nothing(http: FlaskClient, make: Make, client: Client) -> None:
    made = make(secret=SECRET)
    http.post(f"{PATH}/{made['id']}/rotate_secret", json={"secret": SECRET})
    endpoint = EndpointStore(client).endpoint_of_any_tenant(EndpointId(made["id"]))
    assert endpoint
    assert endpoint.secrets_at(datetime.now(UTC)) == (SECRET,)


def test_a_secret_signs_no_more_than_the_last_few_that_were_replaced(
    http: FlaskClient, make: Make, client: Client
) -> None:
    made = make()
    secrets = [http.post(f"{PATH}/{made['id']}/rotate_secret").get_json()["secret"] for _ in range(9)]
    endpoint = EndpointStore(client).endpoint_of_any_tenant(EndpointId(made["id"]))
    assert endpoint
    signing = endpoint.secrets_at(datetime.now(UTC))
    assert list(signing) == secrets[::-1][: len(signing)]
    assert len(signing) < len(secrets)


def test_the_same_idempotency_key_makes_one_endpoint(http: FlaskClient) -> None:
    answers = [http.post(PATH, json={"url": URL}, headers={"Idempotency-Key": '"once"'}) for _ in range(2)]
    assert answers[0].get_json() == answers[1].get_json()
    assert len(http.get(PATH).get_json()["data"]) == 1


def test_public_keys_are_for_everybody_and_one_a_tenant(http: FlaskClient) -> None:
    keys = {
        name: http.get("/v1/webhooks/public_key", query_string={"tenant": name}).get_json() for name in ("acme", "b")
    }
    assert keys["acme"] != keys["b"]
    assert all(key["public_key"].startswith("whpk_") for key in keys.values())
    assert (
        http.get("/v1/webhooks/public_key").get_json() == http.get("/v1/webhooks/public_key?tenant=default").get_json()
    )
    [jwk] = http.get("/v1/webhooks/jwks.json?tenant=acme").get_json()["keys"]
    assert (jwk["kty"], jwk["crv"], "d" in jwk) == ("OKP", "Ed25519", False)
    assert http.get("/v1/webhooks/public_key?tenant=A:B").get_json()["field"] == "tenant"


def test_another_process_of_the_api_knows_what_one_has_made(house: Services, make: Make, client: Client) -> None:
    other = create_app(replace(house, endpoints=EndpointStore(client))).test_client()
    assert other.get(f"{PATH}/{make()['id']}").status_code == 200
