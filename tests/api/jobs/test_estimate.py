"""The estimate of a job that was not sent."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.hints.queues import Queue
from shared.ids import Revision, WorkerId
from shared.jobs.states import Stage
from shared.schedule.sizes import Sizes
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import Announcement, LeaseStore
from tests.shared.store.builders import REVISION, RULES, a_prior, submitted


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


@pytest.mark.usefixtures("measured")
def test_a_picture_that_is_too_large_for_all_workers_has_no_times(http: FlaskClient, client: Client) -> None:
    small = Announcement(WorkerId("d"), Queue.DIT, 1, REVISION, sizes=Sizes(frozenset({"1536"})))
    LeaseStore(client, RULES).beat(small, [])
    fitting = estimated(http, size="1536x1536")
    assert (fitting["unserved"], fitting["eta_s"] is None) == ([], False)
    large = estimated(http, size="2048x2048")
    assert (large["unserved"], large["eta_s"], large["start_s"]) == (["dit"], None, 0.0)


@pytest.mark.parametrize(
    ("fields", "field"), [({"size": "100x100"}, "size"), ({"n": 0}, "n"), ({"steps": 3}, "steps"), ({"n": 10**6}, "n")]
)
def test_what_a_job_would_be_refused_for_is_refused(http: FlaskClient, fields: dict[str, Any], field: str) -> None:
    answer = http.post("/v1/jobs/estimate", json={"prompt": "a", **fields})
    assert (answer.status_code, answer.get_json()["field"]) == (400, field)


PAINTER = "acme/Painter"


def serve_painter(client: Client, *, with_dit: bool = True) -> None:
    """Starts a worker of each stage for another model."""
    leases, revision = LeaseStore(client, RULES), Revision("p")
    leases.beat(Announcement(WorkerId("pa"), Queue.AR, 1, revision, PAINTER), [])
    if with_dit:
        leases.beat(Announcement(WorkerId("pd"), Queue.DIT, 1, revision, PAINTER), [])


@pytest.fixture
def two_models(client: Client, measured: None) -> None:
    leases = LeaseStore(client, RULES)
    leases.beat(Announcement(WorkerId("a"), Queue.AR, 1, REVISION, "zai-org/GLM-Image"), [])
    serve_painter(client)


@pytest.mark.usefixtures("two_models")
def test_only_the_queue_and_the_workers_of_the_model_count(http: FlaskClient) -> None:
    before = {model: estimated(http, model=model) for model in ("glm-image", PAINTER)}
    for _ in range(3):
        assert http.post("/v1/jobs", json={"prompt": "a", "size": "256x256", "model": PAINTER}).status_code == 202
    assert estimated(http, model="glm-image") == estimated(http) == before["glm-image"]
    painter = estimated(http, model=PAINTER)
    assert (before[PAINTER]["position"], painter["position"]) == (0, 3)
    assert painter["start_s"] == pytest.approx(3 * painter["cost"]["ar"] / 100, abs=0.2)
    assert painter["eta_s"] > before[PAINTER]["eta_s"]
    told = http.post("/v1/jobs/validate", json={"prompt": "a", "size": "256x256", "model": PAINTER}).get_json()
    assert told["estimate"] == painter


@pytest.mark.usefixtures("measured")
def test_a_stage_that_serves_only_another_model_is_unserved(http: FlaskClient, client: Client) -> None:
    serve_painter(client, with_dit=False)
    found = estimated(http, model=PAINTER)
    assert (found["unserved"], found["eta_s"]) == (["dit"], None)


@pytest.mark.usefixtures("two_models")
def test_a_rerender_waits_in_the_queue_of_its_priors_model(http: FlaskClient, client: Client) -> None:
    job = http.post("/v1/jobs", json={"prompt": "a", "size": "256x256", "model": PAINTER}).get_json()["id"]
    leases = LeaseStore(client, RULES)
    claim = leases.claim(Stage.AR, Revision("p"), WorkerId("pa"))
    assert claim
    leases.finish_prior(claim.lease, a_prior())
    waiting = http.post("/v1/jobs/estimate", json={"prior": {"job_id": job}}).get_json()
    assert (waiting["position"], waiting["unserved"]) == (1, [])
    assert estimated(http)["position"] == 0
