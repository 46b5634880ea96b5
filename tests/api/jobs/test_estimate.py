"""The estimate of a job that was not sent."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.hints.queues import Queue
from shared.ids import WorkerId
from shared.jobs.states import Stage
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import Announcement, LeaseStore
from tests.shared.store.builders import REVISION, RULES, submitted


def estimated(http: FlaskClient, **fields: Any) -> dict[str, Any]:
    answer = http.post("/v1/jobs/estimate", json={"prompt": "a red kite", "size": "256x256", **fields})
    assert answer.status_code == 200, answer.text
    return dict(answer.get_json())


@pytest.fixture
def measured(client: Client) -> None:
    """A worker of each stage; both are as fast as one unit of AR cost in 10 ms, and 1,000 of DiT cost."""
    leases = LeaseStore(client, RULES)
    leases.beat(Announcement(WorkerId("a"), Queue.AR, 1, REVISION), [])
    leases.beat(Announcement(WorkerId("d"), Queue.DIT, 1, REVISION), [])
    for stage, cost in ((Stage.AR, 100), (Stage.DIT, 100_000)):
        sums = {"ms": 1000, "cost": cost, "n": 1, "full_ms": 1000, "full_cost": cost, "full_n": 1}
        client.hset(f"gridpress:pace:{stage}", mapping=sums)


def test_an_estimate_creates_nothing(http: FlaskClient, client: Client) -> None:
    before = set(client.scan_iter("*"))
    estimated(http, n=2)
    assert http.get("/v1/jobs").get_json()["data"] == []
    assert {key for key in client.scan_iter("gridpress:*") if key not in before} == set()


def test_the_cost_grows_with_what_is_asked_for(http: FlaskClient) -> None:
    one = estimated(http)
    assert (one["n"], one["pixels"]) == (1, 256 * 256)
    assert estimated(http, n=3)["cost"] == {stage: 3 * cost for stage, cost in one["cost"].items()}
    assert estimated(http, num_inference_steps=25)["cost"]["dit"] < one["cost"]["dit"]
    assert estimated(http, quality="fast")["cost"]["dit"] < one["cost"]["dit"]
    prior = {"job_id": "job_01ke6q8v3c9t0n5w7x2z4b6d8f"}
    assert http.post("/v1/jobs/estimate", json={"prior": prior}).get_json()["cost"]["ar"] == 0


def test_times_are_unknown_without_workers(http: FlaskClient) -> None:
    found = estimated(http)
    assert (found["start_s"], found["eta_s"], found["unserved"]) == (None, None, ["ar", "dit"])


@pytest.mark.usefixtures("measured")
def test_waiting_pictures_delay_the_start_and_the_end(http: FlaskClient, store: JobStore) -> None:
    first = estimated(http)
    assert (first["position"], first["start_s"], first["unserved"]) == (0, 0.0, [])
    assert first["eta_s"] == pytest.approx(first["cost"]["ar"] / 100 + first["cost"]["dit"] / 100_000, abs=0.2)
    submitted(store, n=3)
    later = estimated(http)
    assert later["position"] == 3
    assert later["start_s"] == pytest.approx(3 * first["cost"]["ar"] / 100, abs=0.2)
    assert later["eta_s"] > first["eta_s"] + 2 * first["cost"]["dit"] / 100_000
    assert estimated(http, n=4)["eta_s"] > later["eta_s"]


@pytest.mark.parametrize(
    ("fields", "field"), [({"size": "100x100"}, "size"), ({"n": 0}, "n"), ({"steps": 3}, "steps"), ({"n": 10**6}, "n")]
)
def test_what_a_job_would_be_refused_for_is_refused(http: FlaskClient, fields: dict[str, Any], field: str) -> None:
    answer = http.post("/v1/jobs/estimate", json={"prompt": "a", **fields})
    assert (answer.status_code, answer.get_json()["field"]) == (400, field)
