"""Asking for an enhanced prompt, and reading what became of it."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.hints.queues import Queue
from shared.ids import JobId
from shared.store.core.connect import Client
from shared.store.enhancements.enhancements import EnhancementStore
from shared.store.jobs.jobs import JobStore
from tests.api.conftest import hinted, with_settings

PROMPT, REVISED = 'a sign "OPEN"', 'a neon sign "OPEN" in the rain'
ERROR = {"code": "timeout", "message": "too late"}


@pytest.fixture
def configured(house: Services) -> FlaskClient:
    return with_settings(house, enhance_base_url="http://127.0.0.1:1/v1")


def asked(http: FlaskClient) -> dict[str, Any]:
    answer = http.post("/v1/jobs", json={"prompt": PROMPT, "enhance_prompt": True})
    assert answer.status_code == 202
    return dict(answer.get_json())


def test_a_job_that_asks_is_sent_to_the_stage_before_ar(configured: FlaskClient, client: Client) -> None:
    job = asked(configured)
    assert hinted(client) == [Queue.ENHANCE]
    assert (job["status"], job["prompt"], job["enhance_prompt"]) == ("queued", PROMPT, True)
    assert (job["revised_prompt"], job["enhancement"]) == (None, {"status": "pending", "error": None})


def test_a_job_that_does_not_ask_has_nothing_to_do_with_it(configured: FlaskClient, client: Client) -> None:
    job = configured.post("/v1/jobs", json={"prompt": PROMPT}).get_json()
    assert hinted(client) == [Queue.AR]
    assert (job["enhance_prompt"], job["revised_prompt"], job["enhancement"]) == (False, None, None)


@pytest.mark.parametrize(
    ("revised", "enhancement"),
    [(REVISED, {"status": "succeeded", "error": None}), (None, {"status": "failed", "error": ERROR})],
)
def test_both_prompts_are_answered_or_the_reason_why_there_is_only_one(
    configured: FlaskClient, client: Client, revised: str | None, enhancement: dict[str, Any]
) -> None:
    job, stage = asked(configured), EnhancementStore(client, lease_ttl_s=60)
    claim = stage.claim()
    assert claim
    assert stage.succeed(claim, revised) if revised else stage.fail(claim, ERROR)
    read = configured.get(f"/v1/jobs/{job['id']}").get_json()
    assert (read["prompt"], read["revised_prompt"], read["enhancement"]) == (PROMPT, revised, enhancement)


def test_the_jobs_events_tell_of_it(configured: FlaskClient, store: JobStore, client: Client) -> None:
    job, stage = asked(configured), EnhancementStore(client, lease_ttl_s=60)
    claim = stage.claim()
    assert claim
    stage.succeed(claim, REVISED)
    [enhanced] = [e for e in store.events(JobId(job["id"]), after="0") if e.type == "job.enhanced"]
    assert enhanced.data == {"status": "succeeded", "revised_prompt": REVISED, "error": None}


def test_without_an_endpoint_the_field_is_refused_with_the_reason(http: FlaskClient, client: Client) -> None:
    answer = http.post("/v1/jobs", json={"prompt": PROMPT, "enhance_prompt": True})
    problem = answer.get_json()
    assert answer.status_code == 400
    assert problem["field"] == "enhance_prompt"
    assert "GRIDPRESS_ENHANCE_BASE_URL" in problem["detail"]
    assert not client.keys("*")
    assert http.post("/v1/jobs", json={"prompt": PROMPT, "enhance_prompt": False}).status_code == 202


def test_readiness_says_whether_it_can_be_asked_for(http: FlaskClient, configured: FlaskClient) -> None:
    answers = [each.get("/readyz").get_json()["enhance_prompt"] for each in (http, configured)]
    assert answers == ["off", "on"]
