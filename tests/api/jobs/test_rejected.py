"""What each API format says about a job that a content hook refused, and what nobody can read then."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.services import Services
from shared.access.keys import Scope
from shared.ids import ObjectKey, TenantId
from shared.jobs.states import Stage
from shared.store.access.keys import KeyStore
from shared.store.checks.checks import CheckStore
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import LeaseStore
from tests.api.conftest import MESSAGES, hinted
from tests.api.pictures import data_url, png
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_picture, a_prior

POLICY = {"code": "violence", "reason": "no weapons"}
ERROR = {
    "code": "content_rejected",
    "message": "the content policy refused the prompt: no weapons",
    "stage": None,
    "retryable": False,
    "policy": POLICY,
}
BODY = {"prompt": "a knight"}


@pytest.fixture
def http(house: Services, client: Client) -> Iterator[FlaskClient]:
    """The API of a service with a prompt hook."""
    checked = replace(house, store=JobStore(client, hints=MESSAGES, checks_prompts=True))
    with create_app(checked).test_client() as found:
        yield found


def reject_next(client: Client) -> bool:
    claim = CheckStore(client, 60).claim()
    return claim is not None and CheckStore(client, 60).reject(claim, ERROR)


@contextmanager
def rejecting(client: Client) -> Iterator[None]:
    """Refuses whatever comes, until the block ends."""
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            reject_next(client)
            time.sleep(0.01)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def a_rejected_picture(client: Client, job: dict[str, Any]) -> None:
    """Lets the job pass the prompt hook, and has its only picture refused."""
    leases, checks = LeaseStore(client, RULES), CheckStore(client, 60)
    claim = checks.claim()
    assert claim
    checks.allow(claim)
    prior = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert prior
    leases.finish_prior(prior.lease, a_prior())
    decode = leases.claim(Stage.DIT, REVISION, WORKER_ID)
    assert decode
    leases.finish_picture(
        decode.lease, replace(a_picture(), key=ObjectKey(f"{decode.folder}/image.png")), to_check=True
    )


def test_a_job_says_why_it_was_rejected(http: FlaskClient, client: Client) -> None:
    job = http.post("/v1/jobs", json=BODY).get_json()
    assert job["status"] == "queued"
    assert hinted(client) == [], "no stage has anything to do yet"
    assert reject_next(client)
    ended = http.get(f"/v1/jobs/{job['id']}").get_json()
    assert (ended["status"], ended["error"]) == ("rejected", ERROR)
    [image] = ended["images"]
    assert (image["status"], image["error"], image["ended_in"]) == ("rejected", ERROR, "before_start")
    assert ended["finished_at"]
    listed = http.get("/v1/jobs?status=rejected").get_json()["data"]
    assert [each["id"] for each in listed] == [job["id"]]
    assert http.get("/v1/jobs?status=failed").get_json()["data"] == []
    events = http.get(f"/v1/jobs/{job['id']}/events").get_data(as_text=True)
    assert "event: job.rejected" in events


def test_a_rejected_job_is_refused_a_retry(http: FlaskClient, client: Client) -> None:
    job = http.post("/v1/jobs", json=BODY).get_json()
    reject_next(client)
    answer = http.post(f"/v1/jobs/{job['id']}/retry")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "job_not_retryable")
    assert http.delete(f"/v1/jobs/{job['id']}").status_code == 204


@pytest.mark.parametrize("is_decided", [False, True])
def test_no_route_leads_to_a_picture_that_was_not_allowed(
    http: FlaskClient, client: Client, *, is_decided: bool
) -> None:
    job = http.post("/v1/jobs", json=BODY).get_json()
    a_rejected_picture(client, job)
    if is_decided:
        assert reject_next(client)
    path = f"/v1/jobs/{job['id']}"
    seen = http.get(path).get_json()
    [image] = seen["images"]
    assert image["status"] == ("rejected" if is_decided else "checking")
    assert [image[field] for field in ("url", "sha256", "bytes", "content_type")] == [None] * 4
    routes = ["", "?size=256", *(["/grid"] if is_decided else [])]
    for route in routes:
        assert http.get(f"{path}/images/0{route}").status_code == 409, route
    rerender = http.post("/v1/jobs", json={"prior": {"job_id": job["id"], "index": 0}})
    assert (rerender.status_code == 409) == is_decided
    assert LeaseStore(client, RULES).claim(Stage.DIT, REVISION, WORKER_ID) is None, "a re-render is checked first"


def test_a_picture_that_is_checked_is_not_quite_done(http: FlaskClient, client: Client) -> None:
    job = http.post("/v1/jobs", json=BODY).get_json()
    a_rejected_picture(client, job)
    seen = http.get(f"/v1/jobs/{job['id']}").get_json()
    assert (seen["status"], seen["stage"], seen["progress"]) == ("running", "dit", 0.99)


def test_openais_routes_say_it_with_openais_code(http: FlaskClient, client: Client) -> None:
    with rejecting(client):
        answer = http.post("/v1/images/generations", json=BODY)
    error = answer.get_json()["error"]
    assert answer.status_code == 400
    assert (error["code"], error["type"], error["retryable"]) == (
        "content_policy_violation",
        "invalid_request_error",
        False,
    )
    assert "no weapons" in error["message"]


def test_openais_stream_ends_with_openais_code(http: FlaskClient, client: Client) -> None:
    with rejecting(client):
        text = http.post("/v1/images/generations", json={**BODY, "stream": True}).get_data(as_text=True)
    assert "event: error" in text
    assert '"content_policy_violation"' in text


def test_zais_routes_say_it_with_zais_number(http: FlaskClient, client: Client) -> None:
    with rejecting(client):
        answer = http.post("/paas/v4/images/generations", json=BODY)
    error = answer.get_json()["error"]
    assert (answer.status_code, error["code"], error["reason"]) == (400, "1301", "content_rejected")
    assert "no weapons" in error["message"]


def test_a_task_of_zai_fails_with_the_policys_reason(http: FlaskClient, client: Client) -> None:
    task = http.post("/paas/v4/async/images/generations", json=BODY).get_json()
    reject_next(client)
    ended = http.get(f"/paas/v4/async-result/{task['id']}").get_json()
    assert (ended["task_status"], ended["error"]["code"]) == ("FAIL", "rejected")
    assert "no weapons" in ended["error"]["message"]


def test_an_edit_waits_for_the_check_with_its_images(http: FlaskClient, client: Client, house: Services) -> None:
    job = http.post("/v1/jobs", json={**BODY, "images": [data_url(png(256, 256))], "size": "256x256"})
    assert job.status_code == 202, job.text
    claim = CheckStore(client, 60).claim()
    assert claim
    assert len(claim.spec.settings.images) == 1
    assert house.objects.has(claim.spec.settings.images[0])


def test_a_tenant_sees_nothing_of_anothers_rejected_job(http: FlaskClient, client: Client) -> None:
    keys = KeyStore(client)
    secrets = {name: keys.create(TenantId(name), [Scope.ADMIN])[1] for name in ("mine", "theirs")}
    headers = {name: {"authorization": f"Bearer {secret}"} for name, secret in secrets.items()}
    job = http.post("/v1/jobs", json=BODY, headers=headers["mine"]).get_json()
    assert reject_next(client)
    path = f"/v1/jobs/{job['id']}"
    assert http.get(path, headers=headers["theirs"]).status_code == 404
    assert http.get("/v1/jobs?status=rejected", headers=headers["theirs"]).get_json()["data"] == []
    assert http.get(path, headers=headers["mine"]).get_json()["status"] == "rejected"
