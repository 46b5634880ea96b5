"""Re-rendering an earlier picture's token grid, and reading it."""

import struct
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.hints.queues import Queue, celery_list
from shared.ids import DEFAULT_TENANT, ObjectKey, TenantId, new_job_id
from shared.jobs.job import Job
from shared.jobs.states import Stage
from shared.store.core.connect import Client
from shared.store.renders.leases import LeaseStore
from tests.api.conftest import hinted, with_settings
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_picture, a_prior, a_spec, submitted


@pytest.fixture
def leases(client: Client) -> LeaseStore:
    return LeaseStore(client, RULES)


def with_grid(house: Services, leases: LeaseStore, **changes: Any) -> Job:
    """A job whose render waits for the DiT."""
    job = submitted(house.store, **changes)
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    leases.finish_prior(claim.lease, a_prior())
    return house.store.job(job.job_id, job.spec.tenant)


def finished(house: Services, leases: LeaseStore, **changes: Any) -> Job:
    job = with_grid(house, leases, **changes)
    claim = leases.claim(Stage.DIT, REVISION, WORKER_ID)
    assert claim
    picture = replace(a_picture(), key=ObjectKey(f"jobs/{job.job_id}/0000/h/image.png"))
    house.objects.put(picture.grid_key, a_prior().to_bytes(), "application/octet-stream")
    leases.finish_picture(claim.lease, picture)
    assert not leases.claim(Stage.DIT, REVISION, WORKER_ID)  # a worker whose place came free asks by itself
    return house.store.job(job.job_id, job.spec.tenant)


def prior_of(job: Job, **fields: object) -> dict[str, Any]:
    return {"prior": {"job_id": job.job_id, "index": 0}, **fields}


@pytest.mark.parametrize("make", [with_grid, finished])
def test_a_re_render_takes_from_its_source_what_it_does_not_name(
    http: FlaskClient, house: Services, leases: LeaseStore, client: Client, make: Any
) -> None:
    source = make(house, leases)
    client.delete(*map(celery_list, Queue))
    answer = http.post("/v1/jobs", json=prior_of(source, num_inference_steps=7, output_format="webp"))
    assert answer.status_code == 202, answer.text
    job = answer.get_json()
    assert (job["prompt"], job["width"], job["seed"]) == ("a red kite", 256, source.renders[0].seed)
    assert (job["num_inference_steps"], job["output_format"], job["guidance_scale"]) == (7, "webp", 1.5)
    assert (job["prior"], job["revision"]) == ({"job_id": source.job_id, "index": 0}, source.revision)
    assert job["images"][0]["status"] == "prior_ready"
    assert hinted(client) == [Queue.DIT]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"size": "512x512"}, "size"),
        ({"width": 512, "height": 512}, "width"),
        ({"prompt": "another"}, "prompt"),
        ({"temperature": 0.5}, "temperature"),
        ({"top_p": 0.5}, "top_p"),
        ({"images": ["https://a.example/a.png"]}, "images"),
        ({"prior": {"job_id": "job_1"}}, "prior.job_id"),
        ({"prior": {"index": 0}}, "prior.job_id"),
    ],
)
def test_what_made_the_grid_cannot_be_asked_for_again(
    http: FlaskClient, house: Services, leases: LeaseStore, fields: dict[str, object], field: str
) -> None:
    answer = http.post("/v1/jobs", json=prior_of(finished(house, leases)) | fields)
    assert (answer.status_code, answer.get_json()["field"]) == (400, field)


def test_what_is_said_as_it_was_is_accepted(http: FlaskClient, house: Services, leases: LeaseStore) -> None:
    same = prior_of(finished(house, leases), prompt="a red kite", size="256x256")
    assert http.post("/v1/jobs", json=same).status_code == 202


def test_a_source_that_is_not_there_or_another_tenants_is_not_found(
    http: FlaskClient, house: Services, leases: LeaseStore
) -> None:
    other = finished(house, leases, tenant=TenantId("other"))
    own = finished(house, leases)
    for prior in (
        {"job_id": new_job_id(), "index": 0},
        {"job_id": other.job_id, "index": 0},
        {"job_id": own.job_id, "index": 1},
    ):
        answer = http.post("/v1/jobs", json={"prior": prior})
        assert (answer.status_code, answer.get_json()["field"]) == (404, "prior")


def test_a_picture_without_a_grid_is_no_source(http: FlaskClient, house: Services) -> None:
    job = submitted(house.store)
    answer = http.post("/v1/jobs", json=prior_of(job))
    assert (answer.status_code, answer.get_json()["code"], answer.get_json()["retryable"]) == (
        409,
        "image_not_ready",
        True,
    )
    house.store.cancel(job.job_id, DEFAULT_TENANT)
    assert http.post("/v1/jobs", json=prior_of(job)).get_json()["code"] == "image_not_made"


def test_a_prompt_is_needed_without_a_prior(http: FlaskClient) -> None:
    answer = http.post("/v1/jobs", json={"size": "256x256"})
    assert (answer.status_code, answer.get_json()["field"]) == (400, "prompt")


@pytest.mark.parametrize("make", [with_grid, finished])
def test_a_grid_is_read_as_json_or_raw(http: FlaskClient, house: Services, leases: LeaseStore, make: Any) -> None:
    job, grid = make(house, leases), a_prior().grid
    path = f"/v1/jobs/{job.job_id}/images/0/grid"
    assert http.get(f"/v1/jobs/{job.job_id}").get_json()["images"][0]["grid_url"].endswith(path)
    assert http.get(path).get_json() == {"rows": grid.size.rows, "cols": grid.size.cols, "tokens": list(grid.tokens)}
    raw = http.get(path, headers={"Accept": "application/octet-stream"})
    assert (raw.headers["Grid-Rows"], raw.headers["Grid-Cols"]) == (str(grid.size.rows), str(grid.size.cols))
    assert struct.unpack(f"<{len(grid.tokens)}H", raw.data) == grid.tokens


def test_a_grid_that_is_no_longer_kept_says_so(http: FlaskClient, house: Services, leases: LeaseStore) -> None:
    job = finished(house, leases)
    picture = job.renders[0].picture
    assert picture
    house.objects.delete(picture.grid_key)
    answer = http.get(f"/v1/jobs/{job.job_id}/images/0/grid")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "image_not_made")


def test_with_resize_the_next_larger_size_is_rendered(http: FlaskClient, house: Services) -> None:
    job = http.post("/v1/jobs", json={"prompt": "a", "size": "1050x600", "resize": True}).get_json()
    assert (job["width"], job["height"], job["rendered_size"]) == (1050, 600, "1056x608")
    settings = house.store.job(job["id"], DEFAULT_TENANT).spec.settings
    assert (settings.width_px, settings.height_px, settings.delivered_size) == (1056, 608, (1050, 600))


@pytest.mark.parametrize("size", ["100x1024", "2049x1024", "2048x300"])
def test_the_rendered_size_keeps_to_the_models_limits(http: FlaskClient, size: str) -> None:
    answer = http.post("/v1/jobs", json={"prompt": "a", "size": size, "resize": True})
    assert (answer.status_code, answer.get_json()["field"]) == (400, "size")


def test_the_load_of_the_stages_is_told_without_names(http: FlaskClient, house: Services) -> None:
    job = house.store.submit(new_job_id(), a_spec(n=3, tenant=TenantId("secretive")))
    answer = http.get("/v1/stats")
    stage = answer.get_json()["stages"]["ar"]
    assert (stage["waiting"], stage["workers"], stage["backlog_s"], stage["unserved"]) == (3, 0, None, {"": 3})
    assert stage["waiting_cost"] == 3 * job.spec.settings.num_decode_steps
    assert "secretive" not in answer.text
    assert with_settings(house).get("/readyz").get_json()["stages"]["ar"]["unserved"] == {"": 3}


@pytest.mark.parametrize(
    ("was", "asked", "mark"),
    [
        (None, {}, None),
        ("AI", {}, "AI"),
        (None, {"visible_mark": True}, "AI generated"),
        ("AI", {"visible_mark": True}, "AI generated"),
        ("AI", {"visible_mark": False}, None),
    ],
)
def test_a_re_render_keeps_the_visible_mark_unless_it_names_it(
    http: FlaskClient, house: Services, leases: LeaseStore, was: str | None, asked: dict[str, Any], mark: str | None
) -> None:
    spec = a_spec()
    spec = spec.model_copy(update={"settings": spec.settings.model_copy(update={"mark": was})})
    source = house.store.submit(new_job_id(), spec)
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    leases.finish_prior(claim.lease, a_prior())
    job = http.post("/v1/jobs", json=prior_of(source, **asked)).get_json()
    assert house.store.job(job["id"], DEFAULT_TENANT).spec.settings.mark == mark
