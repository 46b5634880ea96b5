from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.services import Services
from shared.errors import ObjectStoreUnavailable, StoreUnavailable
from shared.settings import Settings
from shared.store.capacity import Capacity
from shared.store.connect import Client
from shared.store.durability import Durability


def test_a_service_with_both_stores_is_ready(http: FlaskClient) -> None:
    answer = http.get("/readyz")
    assert (answer.status_code, answer.get_json()["checks"]) == (200, {"store": "ok", "object_store": "ok"})


@pytest.mark.parametrize(
    ("part", "error", "name"),
    [("store", StoreUnavailable, "store"), ("objects", ObjectStoreUnavailable, "object_store")],
)
def test_what_is_missing_is_named_and_the_process_lives_on(
    http: FlaskClient, house: Services, monkeypatch: pytest.MonkeyPatch, part: str, error: type[Exception], name: str
) -> None:
    def fail(_: object) -> None:
        raise error("10.1.2.3 does not answer")

    monkeypatch.setattr(type(getattr(house, part)), "check", fail)
    answer = http.get("/readyz")
    checks = answer.get_json()["checks"]
    assert answer.status_code == 503
    assert [check for check, state in checks.items() if state != "ok"] == [name]
    assert "10.1.2.3" not in answer.text
    assert http.get("/healthz").get_json() == {"status": "ok"}


def test_a_202_is_worth_what_readiness_says(house: Services) -> None:
    relaxed = replace(house, durability=Durability("relaxed", 2.0))
    for service, promise in (
        (house, {"mode": "always", "window_s": 0.0}),
        (relaxed, {"mode": "relaxed", "window_s": 2.0}),
    ):
        assert create_app(service).test_client().get("/readyz").get_json()["durability"] == promise


def test_a_service_that_takes_no_more_jobs_is_still_ready_to_be_read(house: Services, client: Client) -> None:
    full = replace(house, capacity=Capacity(client, Settings(max_queued_renders=0)))
    answer = create_app(full).test_client().get("/readyz")
    assert (answer.status_code, answer.get_json()["status"], answer.get_json()["intake"]) == (200, "ok", "queue_full")
