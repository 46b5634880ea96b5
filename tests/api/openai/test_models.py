"""Several models over HTTP: who may name which, where their jobs go, and what a batch says of them."""

import pytest
from flask.testing import FlaskClient

from shared.access.rights import Scope
from shared.hints.queues import Queue
from shared.ids import Revision, WorkerId
from shared.jobs.states import Stage
from shared.models.rules import ModelDefaults, ModelRules
from shared.store.core.connect import Client
from shared.store.models.models import ModelStore
from shared.store.renders.leases import Announcement, LeaseStore
from tests.api.access.keyed import Keyed
from tests.shared.store.builders import RULES

GLM, PAINTER = "zai-org/GLM-Image", "acme/Painter"
OF = {GLM: Revision("a"), PAINTER: Revision("p")}
SMALL = {"prompt": "a", "size": "256x256"}


@pytest.fixture
def leases(client: Client) -> LeaseStore:
    made = LeaseStore(client, RULES)
    for model, revision in OF.items():
        made.beat(Announcement(WorkerId(revision), Queue.AR, 4, revision, model), [])
    return made


def test_all_models_are_listed_with_their_revisions(http: FlaskClient, leases: LeaseStore) -> None:
    listed = http.get("/v1/models").get_json()["data"]
    assert [(each["id"], each["root"], each["revision"]) for each in listed] == [
        (GLM, GLM, "a"),
        (PAINTER, PAINTER, "p"),
    ]
    assert http.get("/v1/models/painter").get_json()["id"] == PAINTER
    assert http.get("/v1/models/flux").status_code == 404


@pytest.mark.parametrize("name", [None, "glm-image", PAINTER, "ACME/PAINTER"])
def test_a_job_goes_to_the_workers_of_the_model_that_it_names(
    http: FlaskClient, leases: LeaseStore, name: str | None
) -> None:
    job = http.post("/v1/jobs", json={**SMALL, **({"model": name} if name else {})}).get_json()
    model = PAINTER if name and "ainter" in name.lower() else GLM
    assert job["model"] == model
    for other in set(OF.values()) - {OF[model]}:
        assert leases.claim(Stage.AR, other, WorkerId(other)) is None
    claim = leases.claim(Stage.AR, OF[model], WorkerId(OF[model]))
    assert claim
    assert claim.job_id == job["id"]


def test_a_model_that_nobody_serves_is_refused_in_each_format(http: FlaskClient, leases: LeaseStore) -> None:
    native = http.post("/v1/jobs", json={**SMALL, "model": "flux"})
    assert (native.status_code, native.get_json()["field"]) == (400, "model")
    assert PAINTER in native.get_json()["detail"]
    openai = http.post("/v1/images/generations", json={**SMALL, "model": "flux"})
    assert (openai.status_code, openai.get_json()["error"]["code"]) == (404, "model_not_found")
    assert http.get("/v1/jobs").get_json()["data"] == []


def test_a_key_for_one_model_lists_and_uses_it_alone(http: FlaskClient, client: Client, leases: LeaseStore) -> None:
    key = Keyed(http, client, Scope.RENDER, Scope.READ, models=(PAINTER,))
    assert [each["id"] for each in key.get("/v1/models")["data"]] == [PAINTER]
    assert key.post("/v1/jobs", 202, json={**SMALL, "model": PAINTER})["model"] == PAINTER
    for fields in (SMALL, {**SMALL, "model": GLM}):
        assert key.refusal("POST", "/v1/jobs", json=fields)[:2] == (403, "forbidden_model")


def test_the_defaults_of_a_model_fill_what_a_request_leaves_out(
    http: FlaskClient, client: Client, leases: LeaseStore
) -> None:
    defaults = ModelDefaults(size="512x256", num_inference_steps=12, guidance_scale=3.0)
    ModelStore(client).set_rules(ModelRules(name=PAINTER, defaults=defaults))
    job = http.post("/v1/jobs", json={"prompt": "a", "model": PAINTER, "guidance_scale": 2}).get_json()
    assert (job["width"], job["height"], job["num_inference_steps"], job["guidance_scale"]) == (512, 256, 12, 2)
    other = http.post("/v1/jobs", json={"prompt": "a"}).get_json()
    assert (other["width"], other["num_inference_steps"]) == (1024, 50)
    cost = http.post("/v1/jobs/estimate", json={"prompt": "a", "model": PAINTER}).get_json()
    assert cost["pixels"] == 512 * 256
