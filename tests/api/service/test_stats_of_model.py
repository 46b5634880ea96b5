"""`GET /v1/stats?model=NAME`: the load of one model."""

import pytest
from flask.testing import FlaskClient

from shared.access.rights import Scope
from shared.hints.queues import Queue
from shared.ids import Revision, WorkerId
from shared.store.core.connect import Client
from shared.store.renders.leases import Announcement, LeaseStore
from tests.api.access.keyed import Keyed
from tests.shared.store.builders import RULES

GLM, PAINTER = "zai-org/GLM-Image", "acme/Painter"
SMALL = {"prompt": "a", "size": "256x256"}


@pytest.fixture
def operator(http: FlaskClient, client: Client) -> Keyed:
    for revision, model in (("a", GLM), ("p", PAINTER)):
        for queue in (Queue.AR, Queue.DIT):
            worker = Announcement(WorkerId(f"{queue}-{revision}"), queue, 4, Revision(revision), model)
            LeaseStore(client, RULES).beat(worker, [])
    return Keyed(http, client, Scope.ADMIN, Scope.OPERATOR)


@pytest.mark.parametrize("name", [PAINTER, "acme%2FPainter", "painter", "ACME/PAINTER"])
def test_a_model_shows_its_own_load_alone(operator: Keyed, name: str) -> None:
    for model, n in ((GLM, 2), (PAINTER, 3)):
        operator.post("/v1/jobs", 202, json={**SMALL, "model": model, "n": n})
    found = operator.get(f"/v1/stats?model={name}")["stages"]
    assert [(each["waiting"], each["workers"], each["wanted_workers"]) for each in found.values()] == [
        (3, 1, 1),
        (0, 1, 1),
    ]
    every = operator.get("/v1/stats")["stages"]["ar"]
    assert (every["waiting"], every["workers"]) == (5, 2)
    assert operator.get("/v1/stats?model=glm-image")["stages"]["ar"]["waiting"] == 2


def test_a_tenant_sees_the_capacity_of_a_model_and_no_work(operator: Keyed, http: FlaskClient, client: Client) -> None:
    operator.post("/v1/jobs", 202, json={**SMALL, "model": PAINTER})
    seen = Keyed(http, client, Scope.READ).get(f"/v1/stats?model={PAINTER}")
    stage = seen["stages"]["ar"]
    assert (stage["workers"], stage["wanted_workers"], stage["waiting"], stage["open"]) == (1, 1, None, None)
    assert (seen["workers"], seen["faults"]) == (None, None)


@pytest.mark.parametrize(
    ("query", "field"),
    [("model=acme/Brush", "model"), ("model=", "model"), (f"model={'x' * 201}", "model"), ("modle=a", "modle")],
)
def test_a_wrong_query_names_the_field(operator: Keyed, query: str, field: str) -> None:
    assert operator.refusal("GET", f"/v1/stats?{query}") == (400, "invalid_request", field)


@pytest.mark.attack
@pytest.mark.parametrize("name", [PAINTER, "painter", "acme/Brush"])
def test_a_key_for_other_models_is_refused(operator: Keyed, http: FlaskClient, client: Client, name: str) -> None:
    limited = Keyed(http, client, Scope.READ, models=(GLM,))
    assert limited.refusal("GET", f"/v1/stats?model={name}") == (403, "forbidden_model", "model")
    assert limited.get(f"/v1/stats?model={GLM}")["stages"]["ar"]["workers"] == 1
