"""A service that is full refuses new jobs in its own words, and stores nothing of them."""

from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.services import Services
from shared.celery_app import make_celery
from shared.hints.queues import Queue
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.access.capacity import Capacity
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.queues.hints import Hints
from shared.store.queues.upkeep import UpkeepStore
from tests.api.pictures import data_url, png
from tests.shared.store.builders import submitted
from tests.shared.store.test_connect import configured


def service(house: Services, client: Client, **limits: Any) -> FlaskClient:
    return create_app(replace(house, capacity=Capacity(client, Settings(**limits)))).test_client()


@pytest.mark.parametrize(
    ("limits", "status", "code"),
    [({"max_queued_renders": 0}, 429, "queue_full"), ({"max_store_bytes": 1}, 503, "store_full")],
)
def test_a_full_service_says_so_and_keeps_nothing(
    house: Services,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    limits: dict[str, int],
    status: int,
    code: str,
) -> None:
    monkeypatch.setattr(ObjectStore, "put", lambda *_: pytest.fail("stored a condition image"))
    answer = service(house, client, **limits).post("/v1/jobs", json={"prompt": "a", "images": [data_url(png(64, 64))]})
    body = answer.get_json()
    assert (answer.status_code, answer.content_type, body["code"]) == (status, "application/problem+json", code)
    assert body["retryable"]
    assert int(answer.headers["Retry-After"]) > 0
    assert not client.keys("*")


def test_a_burst_within_the_second_stays_within_the_limit(house: Services, client: Client) -> None:
    http = service(house, client, max_queued_renders=3)
    statuses = [http.post("/v1/jobs", json={"prompt": "a", "n": 2}).status_code for _ in range(4)]
    assert statuses == [202, 202, 429, 429]


def test_what_was_accepted_can_be_read_while_new_work_is_refused(house: Services, client: Client) -> None:
    http = service(house, client, max_queued_renders=1)
    link = http.post("/v1/jobs", json={"prompt": "a"}).get_json()["links"]["self"]
    assert http.post("/v1/jobs", json={"prompt": "a"}).status_code == 429
    assert http.get(link).status_code == 200
    assert http.post(f"{link}/cancel").status_code == 200


def test_a_store_that_filled_up_between_two_looks_is_an_outage_of_its_own(http: FlaskClient, client: Client) -> None:
    with configured(client, "maxmemory", "1"):
        answer = http.post("/v1/jobs", json={"prompt": "a"})
    assert (answer.status_code, answer.get_json()["code"]) == (503, "store_unavailable")
    assert answer.headers["Retry-After"]
    assert not client.keys("*")


def test_a_broker_that_takes_no_hint_takes_nothing_back(store: JobStore, client: Client, valkey_url: str) -> None:
    submitted(store)
    hints = Hints(make_celery(valkey_url), UpkeepStore(client))
    with configured(client, "maxmemory", "1"):
        hints.send_one(Queue.AR)
