"""What operators set for a model over HTTP: canary shares, defaults, and whether requests wait."""

import pytest
from flask.testing import FlaskClient

from shared.access.rights import Scope
from shared.hints.queues import Queue
from shared.ids import Revision, TenantId, WorkerId
from shared.store.core.connect import Client
from shared.store.renders.leases import Announcement, LeaseStore
from tests.api.access.keyed import Keyed
from tests.shared.store.builders import RULES

ADMIN, OPERATOR = Scope.ADMIN, Scope.OPERATOR
GLM, PAINTER = "zai-org/GLM-Image", "acme/Painter"
NONE = {"size": None, "num_inference_steps": None, "guidance_scale": None, "quality": None}
SMALL = {"prompt": "a", "size": "256x256"}


@pytest.fixture
def operator(http: FlaskClient, client: Client) -> Keyed:
    return Keyed(http, client, ADMIN, OPERATOR, tenant=TenantId("house"))


def serve(client: Client, revision: str, model: str = GLM) -> None:
    worker = Announcement(WorkerId(revision), Queue.AR, 4, Revision(revision), model)
    LeaseStore(client, RULES).beat(worker, [])


def test_a_share_is_set_changed_and_ended_and_the_jobs_say_so(operator: Keyed, client: Client) -> None:
    serve(client, "a")
    made = operator.patch(f"/v1/model_rules/{GLM}", json={"canary": {"revision": "b", "percent": 100}})
    assert (made["canary"], made["main_revision"]) == ({"revision": "b", "percent": 100}, "a")
    assert operator.post("/v1/jobs", 202, json=SMALL)["canary"] is False
    serve(client, "b")
    job = operator.post("/v1/jobs", 202, json=SMALL)
    assert (job["canary"], job["revision"]) == (True, None)
    assert operator.get(f"/v1/jobs/{job['id']}")["canary"] is True
    rows = operator.get("/v1/model_rules")["data"]
    assert [row["revision"] for row in rows[0]["revisions"]] == ["a", "b"]
    assert operator.patch("/v1/model_rules/glm-image", json={"canary": None})["canary"] is None
    assert operator.post("/v1/jobs", 202, json=SMALL)["canary"] is False
    acts = operator.get("/v1/audit")["data"]
    assert [act["facts"]["model"] for act in acts if act["act"].startswith("PATCH /v1/model_rules")] == [GLM, GLM]


def test_defaults_change_one_by_one(operator: Keyed, client: Client) -> None:
    serve(client, "p", PAINTER)
    path = f"/v1/model_rules/{PAINTER.lower()}"
    assert operator.patch(path, json={"defaults": {"num_inference_steps": 12}})["model"] == PAINTER
    found = operator.patch(path, json={"defaults": {"size": "512X256", "quality": "fast"}})
    assert found["defaults"] == {**NONE, "num_inference_steps": 12, "size": "512x256", "quality": "fast"}
    assert operator.patch(path, json={"defaults": {"size": None}})["defaults"]["size"] is None
    assert operator.patch(path, json={"defaults": None})["defaults"] == NONE
    assert client.hkeys("gridpress:models")
    assert not client.hexists("gridpress:models", f"rules:{PAINTER.lower()}")


def test_a_model_that_nobody_serves_waits_if_the_operator_says_so(operator: Keyed) -> None:
    fields = {**SMALL, "model": "acme/Brush"}
    assert operator.refusal("POST", "/v1/jobs", json=fields) == (400, "invalid_request", "model")
    assert operator.patch("/v1/model_rules/acme/Brush", json={"waits": True})["main_revision"] is None
    job = operator.post("/v1/jobs", 202, json=fields)
    assert (job["model"], job["queue"]["unserved"]) == ("acme/Brush", ["ar", "dit"])
    assert operator.get("/v1/stats")["stages"]["ar"]["unserved"] == {"@acme/brush": 1}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("a%20b", {"waits": True}, "model"),
        ("a%7Cb", {"waits": True}, "model"),
        (GLM, {"canary": {"revision": "b"}}, "canary.percent"),
        (GLM, {"canary": {"revision": "b", "percent": 0}}, "canary.percent"),
        (GLM, {"canary": {"revision": "a|b", "percent": 5}}, "canary.revision"),
        (GLM, {"canary": {"revision": "p", "percent": 5}}, "canary.revision"),
        (GLM, {"defaults": {"size": "100x100"}}, "defaults.size"),
        (GLM, {"defaults": {"num_inference_steps": 100_000}}, "defaults.num_inference_steps"),
        (GLM, {"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_change_names_the_field_and_changes_nothing(
    operator: Keyed, client: Client, path: str, body: dict[str, object], field: str
) -> None:
    serve(client, "p", PAINTER)
    assert operator.refusal("PATCH", f"/v1/model_rules/{path}", json=body) == (400, "invalid_request", field)
    assert [key for key in client.hkeys("gridpress:models") if key.startswith("rules:")] == []


def test_a_tenant_neither_sees_nor_sets_what_belongs_to_the_platform(http: FlaskClient, client: Client) -> None:
    acme = Keyed(http, client, ADMIN)
    assert acme.refusal("GET", "/v1/model_rules")[:2] == (403, "missing_scope")
    assert acme.refusal("PATCH", f"/v1/model_rules/{GLM}", json={"waits": True})[:2] == (403, "missing_scope")
    reader = Keyed(http, client, OPERATOR)
    assert reader.get("/v1/model_rules")["data"][0]["model"] == GLM
    assert reader.refusal("PATCH", f"/v1/model_rules/{GLM}", json={"waits": True})[:2] == (403, "missing_scope")
    assert not client.exists("gridpress:models")
