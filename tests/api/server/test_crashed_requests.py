"""A process that dies once it has made something, before its answer is kept: the retry makes no second one."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.app import create_app
from api.services import Services
from shared.store.core.connect import Client
from shared.store.idempotency.requests import Begun, IdempotencyStore

pytestmark = pytest.mark.attack

KEY = {"Idempotency-Key": "8e03978e-40d5"}
SINCE = {"since": "2026-01-01T00:00:00Z"}


class Death(BaseException):
    """The process ends here: nothing of it runs any more."""


class DyingSooner(IdempotencyStore):
    """Its process dies when it has begun, nothing is made yet, and nobody waits for its lease."""

    def begin(self, *args: Any) -> Begun:
        super().begin(*args)
        raise Death


class DyingStore(IdempotencyStore):
    """Its process dies when an answer is to be kept, and nobody waits for its lease."""

    def keep(self, *_: Any) -> None:
        raise Death


def a_file(http: FlaskClient, **headers: str) -> TestResponse:
    form = {"purpose": "batch", "file": (BytesIO(b"{}\n"), "a.jsonl")}
    return http.post("/v1/files", data=form, content_type="multipart/form-data", headers=headers)


def a_batch(http: FlaskClient, **headers: str) -> TestResponse:
    file = http.get("/v1/files").get_json()["data"][0]["id"]
    asked = {"input_file_id": file, "endpoint": "/v1/jobs", "completion_window": "24h"}
    return http.post("/v1/batches", json=asked, headers=headers)


def an_endpoint(http: FlaskClient, **headers: str) -> TestResponse:
    return http.post("/v1/webhook_endpoints", json={"url": "https://a.example/"}, headers=headers)


def a_job(http: FlaskClient, **headers: str) -> TestResponse:
    return http.post("/v1/jobs", json={"prompt": "a", "seed": 1}, headers=headers)


@pytest.mark.parametrize(
    ("make", "path"),
    [(a_job, "/v1/jobs"), (a_file, "/v1/files"), (a_batch, "/v1/batches"), (an_endpoint, "/v1/webhook_endpoints")],
)
def test_a_crash_makes_no_second_one(
    http: FlaskClient, house: Services, client: Client, make: Callable[..., TestResponse], path: str
) -> None:
    a_file(http)
    before = {each["id"] for each in http.get(path).get_json()["data"]}
    dying = create_app(replace(house, idempotency=DyingStore(client, kept_for_s=60, lease_s=0))).test_client()
    for _ in range(2):
        with pytest.raises(Death):
            make(dying, **KEY)
    answer = make(http, **KEY)
    made = {each["id"] for each in http.get(path).get_json()["data"]} - before
    assert made == {answer.get_json()["id"]}
    assert make(http, **KEY).get_data() == answer.get_data()


def test_crashes_before_and_after_a_file_is_made_make_no_second_one(
    http: FlaskClient, house: Services, client: Client
) -> None:
    for kind in (DyingSooner, DyingStore, DyingStore):
        dying = create_app(replace(house, idempotency=kind(client, kept_for_s=60, lease_s=0))).test_client()
        with pytest.raises(Death):
            a_file(dying, **KEY)
    answer = a_file(http, **KEY)
    assert [each["id"] for each in http.get("/v1/files").get_json()["data"]] == [answer.get_json()["id"]]


def test_a_file_whose_request_was_overtaken_is_not_made_beside_the_others(
    http: FlaskClient, house: Services, client: Client
) -> None:
    class Overtaken(IdempotencyStore):
        def begin(self, *args: Any) -> Begun:
            """Another request with the key begins right behind it."""
            begun = super().begin(*args)
            super().begin(*args[:-1], "file-of-the-other")
            return begun

    for kind in (DyingSooner, Overtaken):
        overtaken = create_app(replace(house, idempotency=kind(client, kept_for_s=60, lease_s=0))).test_client()
        overtaken.testing = True
        if kind is DyingSooner:
            with pytest.raises(Death):
                a_file(overtaken, **KEY)
        else:
            assert a_file(overtaken, **KEY).get_json()["error"]["code"] == "request_in_progress"
    assert http.get("/v1/files").get_json()["data"] == []


def test_a_crash_rotates_a_secret_once(http: FlaskClient, house: Services, client: Client) -> None:
    path = f"/v1/webhook_endpoints/{an_endpoint(http).get_json()['id']}"
    dying = create_app(replace(house, idempotency=DyingStore(client, kept_for_s=60, lease_s=0))).test_client()
    with pytest.raises(Death):
        dying.post(f"{path}/rotate_secret", headers=KEY)
    rotated = http.get(f"{path}/secret").get_json()["secret"]
    assert http.post(f"{path}/rotate_secret", headers=KEY).get_json()["secret"] == rotated
    assert http.post(f"{path}/rotate_secret", headers={"Idempotency-Key": "another"}).get_json()["secret"] != rotated


def test_a_crash_leaves_an_endpoint_its_secret(http: FlaskClient, house: Services, client: Client) -> None:
    dying = create_app(replace(house, idempotency=DyingStore(client, kept_for_s=60, lease_s=0))).test_client()
    with pytest.raises(Death):
        an_endpoint(dying, **KEY)
    [made] = http.get("/v1/webhook_endpoints").get_json()["data"]
    secret = http.get(f"/v1/webhook_endpoints/{made['id']}/secret").get_json()["secret"]
    assert an_endpoint(http, **KEY).get_json()["secret"] == secret


def test_a_crash_sends_no_second_test(http: FlaskClient, house: Services, client: Client) -> None:
    path = f"/v1/webhook_endpoints/{an_endpoint(http).get_json()['id']}"
    dying = create_app(replace(house, idempotency=DyingStore(client, kept_for_s=60, lease_s=0))).test_client()
    with pytest.raises(Death):
        dying.post(f"{path}/test", headers=KEY)
    http.post(f"{path}/test", headers=KEY)
    assert client.zcard("gridpress:messages:default") == 1
