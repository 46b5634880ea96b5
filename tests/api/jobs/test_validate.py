"""Checking a request for a job that is not sent: all errors at once, or the cost and the expected times."""

import json
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.access.keys import Scope
from shared.access.limits import TenantLimits
from shared.access.rights import Rights
from shared.ids import DEFAULT_TENANT, TenantId
from shared.jobs.spec import Quality
from shared.jobs.usage import Amounts, Used
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from tests.api.edge.test_tenants import OTHER, OWNER, fields
from tests.api.jobs.test_estimate import measured
from tests.api.pictures import data_url, png
from tests.shared.store.builders import submitted
from tests.shared.store.usage import count

__all__ = ["fields", "measured"]

PATH = "/v1/jobs/validate"
SMALL = {"prompt": "a red kite", "size": "256x256"}
# Requests with a fault each. The faults of several may come together.
FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"n": 0}, "n"),
    ({"n": 10**6}, "n"),
    ({"num_inference_steps": "many"}, "num_inference_steps"),
    ({"num_inference_steps": 10**6}, "num_inference_steps"),
    ({"guidance_scale": -1}, "guidance_scale"),
    ({"size": "100x100"}, "size"),
    ({"width": 512}, "height"),
    ({"steps": 3}, "steps"),
    ({"a.b": 3}, "a.b"),
    ({"deadline": "2020-01-01T00:00:00Z"}, "deadline"),
    ({"deadline": "soon"}, "deadline"),
    ({"metadata": {"colour": 5}}, "metadata.colour"),
    ({"webhook_url": "ftp://a.example/"}, "webhook_url"),
    ({"webhook_secret": "whsec_bXkgb3duIHNlY3JldCBvZiAyNCBieXRlcyE="}, "webhook_secret"),
    ({"enhance_prompt": True}, "enhance_prompt"),
    ({"images": ["no picture"]}, "images[0]"),
    ({"images": [data_url(b"no picture")]}, "images[0]"),
    ({"images": ["file-" + "0" * 26]}, "images[0]"),
    ({"images": [data_url(b"")] * 99}, "images"),
    ({"prompt": " "}, "prompt"),
    ({"prompt": "x" * 8_001}, "prompt"),
    ({"prior": {"job_id": "job_1"}}, "prior.job_id"),
]


def checked(http: FlaskClient, body: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
    answer = http.post(PATH, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    report = dict(answer.get_json())
    assert report["is_valid"] == (not report["errors"])
    return report


def named(report: dict[str, Any]) -> list[str | None]:
    return [error["field"] for error in report["errors"]]


def inputs(house: Services) -> list[str]:
    return [entry.key for page in house.objects.entries("inputs/") for entry in page]


def everything(client: Client) -> dict[str, bytes | None]:
    return {key: client.dump(key) for key in client.scan_iter("gridpress:*") if "key:" not in key}


@pytest.mark.parametrize(
    ("faulty", "field"), FAULTS, ids=[f"{field}-{place}" for place, (_, field) in enumerate(FAULTS)]
)
def test_a_report_names_what_the_job_would_be_refused_for(
    http: FlaskClient, faulty: dict[str, Any], field: str
) -> None:
    body = {"prompt": "a", **faulty}
    report, refused = checked(http, body), http.post("/v1/jobs", json=body).get_json()
    assert named(report) == [field] == [refused["field"]]
    assert report["errors"][0]["message"] == refused["detail"]
    assert report["errors"][0]["code"] == refused["code"]
    assert report["estimate"] is None


def test_all_errors_come_at_once(http: FlaskClient) -> None:
    together = [0, 2, 4, 5, 7, 9, 11, 13, 14, 15]
    body = {name: value for place in together for name, value in FAULTS[place][0].items()}
    report = checked(http, body)
    assert sorted(map(str, named(report))) == sorted([*(FAULTS[place][1] for place in together), "prompt"])
    report = checked(http, {**body, "prompt": "a", "images": [data_url(b"x"), data_url(png()), "file-" + "0" * 26]})
    assert [name for name in named(report) if name and name.startswith("images")] == ["images[0]", "images[2]"]


def test_more_errors_than_one_validation_reports_are_found(http: FlaskClient) -> None:
    bad_names = {f"field{number}": 1 for number in range(300)}
    report = checked(http, {**bad_names, "n": 0, "size": "100x100"})
    assert {"n", "size", "prompt"} <= set(named(report))
    assert len(report["errors"]) < 60


def test_a_valid_request_is_answered_with_the_estimate_of_its_job(http: FlaskClient) -> None:
    report = checked(http, {**SMALL, "n": 3})
    assert report["estimate"] == http.post("/v1/jobs/estimate", json={**SMALL, "n": 3}).get_json()
    assert (report["object"], report["errors"], report["warnings"]) == ("job.validation", [], [])


@pytest.mark.usefixtures("measured")
def test_the_expected_wait_grows_with_what_waits(http: FlaskClient, store: JobStore) -> None:
    first = checked(http, SMALL)["estimate"]
    submitted(store, n=3)
    later = checked(http, SMALL)["estimate"]
    assert (later["position"], later["start_s"] > first["start_s"], later["eta_s"] > first["eta_s"]) == (3, True, True)


def test_the_cost_of_an_edit_is_that_of_its_images(http: FlaskClient) -> None:
    body = {"prompt": "a", "images": [data_url(png(320, 256))]}
    edit, job = checked(http, body)["estimate"], http.post("/v1/jobs", json=body).get_json()
    assert edit["pixels"] == job["width"] * job["height"] < 1024 * 1024
    several = checked(http, {"prompt": "a", "images": [data_url(png(320, 256)), data_url(png(1024, 1024))]})
    assert several["estimate"]["cost"]["dit"] > edit["cost"]["dit"]
    form = {"prompt": "a", "images": [(BytesIO(png(320, 256)), "a.png")]}
    assert http.post(PATH, data=form).get_json()["estimate"] == {**edit, "position": 1}


def test_an_image_at_a_web_url_is_not_fetched(http: FlaskClient) -> None:
    report = checked(http, {**SMALL, "images": ["https://nobody.example/a.png"]})
    assert report["is_valid"]
    assert report["warnings"] == ["images[0] was not fetched: whether it is a picture is checked when the job is sent"]


def test_a_rerender_is_checked_against_the_picture_that_it_names(http: FlaskClient, store: JobStore) -> None:
    waiting = submitted(store, tenant=DEFAULT_TENANT).job_id
    unknown = checked(http, {"prior": {"job_id": "job_01ke6q8v3c9t0n5w7x2z4b6d8f"}, "n": 0})
    assert [(error["field"], error["code"]) for error in unknown["errors"]] == [
        ("n", "invalid_request"),
        ("prior", "prior_not_found"),
    ]
    [not_ready] = checked(http, {"prior": {"job_id": waiting}})["errors"]
    assert (not_ready["field"], not_ready["code"], not_ready["retryable"]) == ("prior", "image_not_ready", True)


def test_nothing_is_stored_and_no_quota_is_used(
    http: FlaskClient, client: Client, house: Services, fields: dict[TenantId, dict[str, str]]
) -> None:
    KeyStore(client).set_limits(OWNER, TenantLimits(pixels_per_day=10**9, pictures_per_month=5, queued_renders=9))
    checked(http, SMALL, fields[OWNER])  # the first request with a key leaves the time of its use
    before, stored, limits = everything(client), inputs(house), http.get("/v1/limits", headers=fields[OWNER]).get_json()
    body = {"prompt": "a", "n": 2, "images": [data_url(png())]}
    for _ in range(2):
        report = checked(http, body, {**fields[OWNER], "Idempotency-Key": "mine"})
        assert report["is_valid"]
    assert everything(client) == before
    assert http.get("/v1/limits", headers=fields[OWNER]).get_json() == limits
    assert inputs(house) == stored


def test_a_report_tells_every_limit_that_refuses_the_job_now(
    http: FlaskClient, client: Client, fields: dict[TenantId, dict[str, str]]
) -> None:
    keys = KeyStore(client)
    keys.set_limits(OWNER, TenantLimits(pixels_per_day=65_536, pictures_per_month=2, queued_renders=9))
    count(client, Used("", Quality.EXACT, Amounts(pictures=2)), OWNER, int(datetime.now(UTC).timestamp() * 1000))
    report = checked(http, {**SMALL, "n": 2}, fields[OWNER])
    told = [(error["code"], error["field"], error["retryable"]) for error in report["errors"]]
    assert told == [("tenant_limit_reached", None, True), ("tenant_limit_reached", None, False)]
    assert report["estimate"]["n"] == 2
    assert checked(http, {**SMALL, "n": 2}, fields[OTHER])["is_valid"]
    key = keys.add(OTHER, Rights(frozenset({Scope.RENDER}), models=("sdxl",)))[1]
    [forbidden] = checked(http, SMALL, {"Authorization": f"Bearer {key}"})["errors"]
    assert forbidden["code"] == "forbidden_model"


def test_a_report_tells_nothing_of_another_tenant(
    http: FlaskClient, store: JobStore, fields: dict[TenantId, dict[str, str]]
) -> None:
    theirs = submitted(store, tenant=OWNER).job_id
    upload = {"purpose": "vision", "file": (BytesIO(png()), "a.png")}
    file_id = http.post("/v1/files", data=upload, headers=fields[OWNER]).get_json()["id"]
    [prior] = checked(http, {"prior": {"job_id": theirs}}, fields[OTHER])["errors"]
    assert prior["code"] == "prior_not_found"
    [image] = checked(http, {"prompt": "a", "images": [file_id]}, fields[OTHER])["errors"]
    assert (image["code"], image["message"]) == ("invalid_image", f"images[0]: there is no file {file_id}")
    assert checked(http, {"prompt": "a", "images": [file_id]}, fields[OWNER])["is_valid"]


def test_a_body_without_fields_is_refused_as_for_a_job(http: FlaskClient) -> None:
    for body, kind in ((b"{", "application/json"), (b"[]", "application/json"), (b"a", "text/plain")):
        answers = [http.post(path, data=body, content_type=kind) for path in (PATH, "/v1/jobs")]
        assert [answer.status_code for answer in answers] in ([400, 400], [415, 415])
        assert answers[0].get_json()["detail"] == answers[1].get_json()["detail"]


def test_a_job_may_have_the_name_of_a_route(http: FlaskClient) -> None:
    for name in ("validate", "estimate", "cancel"):
        made = http.put(f"/v1/jobs/{name}", json={"prompt": name})
        assert made.status_code == 202
        assert http.get(f"/v1/jobs/{name}").get_json()["prompt"] == name
        assert http.post(f"/v1/jobs/{name}/cancel").get_json()["id"] == made.get_json()["id"]
        assert http.delete(f"/v1/jobs/{name}").status_code == 204
        assert json.loads(http.get(f"/v1/jobs/{name}").data)["code"] == "job_not_found"
