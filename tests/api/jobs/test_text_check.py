"""Asking for a check of the text in the pictures, and being refused."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.egress.rules import EgressRules
from shared.errors import InvalidRequest
from shared.ids import new_job_id
from shared.intake.checks import check
from shared.intake.request import JobRequest
from shared.jobs.text_check import TextCheck
from shared.store.jobs.jobs import JobStore
from tests.api.conftest import with_settings

PROMPT = 'a sign "OPEN"'


@pytest.fixture
def reading(house: Services) -> FlaskClient:
    return with_settings(house, text_reader="tesseract")


@pytest.mark.parametrize(("asked", "redraws"), [({}, 3), ({"redraws": 0}, 0), ({"redraws": 10}, 10)])
def test_a_job_says_which_check_it_asks_for(
    reading: FlaskClient, store: JobStore, asked: dict[str, int], redraws: int
) -> None:
    answer = reading.post("/v1/jobs", json={"prompt": PROMPT, "text_check": asked})
    assert answer.status_code == 202
    job = answer.get_json()
    assert (job["text_check"], job["images"][0]["text_check"]) == ({"redraws": redraws}, None)
    assert store.job_of_any_tenant(job["id"]).spec.text_check == TextCheck(redraws=redraws)


@pytest.mark.parametrize("fields", [{}, {"text_check": None}])
def test_a_job_that_does_not_ask_has_no_check(reading: FlaskClient, store: JobStore, fields: dict[str, Any]) -> None:
    job = reading.post("/v1/jobs", json={"prompt": PROMPT, **fields}).get_json()
    assert job["text_check"] is None
    assert store.job_of_any_tenant(job["id"]).spec.text_check is None


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"prompt": "a red kite"}, "text_check", "quotation marks"),
        ({"prompt": 'a sign "?!"'}, "text_check", "quotation marks"),
        ({"text_check": {"redraws": 11}}, "text_check.redraws", "10"),
        ({"text_check": {"redraws": -1}}, "text_check.redraws", "0"),
        ({"text_check": {"redraws": "many"}}, "text_check.redraws", "whole number"),
        ({"text_check": {"redraw": 3}}, "text_check.redraw", ""),
        ({"text_check": 3}, "text_check", ""),
        ({"text_check": True}, "text_check", ""),
    ],
)
def test_a_bad_check_is_refused(reading: FlaskClient, fields: dict[str, Any], field: str, words: str) -> None:
    answer = reading.post("/v1/jobs", json={"prompt": PROMPT, "text_check": {}, **fields})
    problem = answer.get_json()
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert (problem["code"], problem["field"]) == ("invalid_request", field)
    assert words in problem["detail"]
    assert reading.get("/v1/jobs").get_json()["data"] == []


def test_a_service_without_a_reader_refuses(http: FlaskClient) -> None:
    problem = http.post("/v1/jobs", json={"prompt": PROMPT, "text_check": {}}).get_json()
    assert (problem["status"], problem["field"]) == (400, "text_check")
    assert "GRIDPRESS_TEXT_READER" in problem["detail"]
    assert http.get("/v1/jobs").get_json()["data"] == []


def test_a_picture_that_keeps_its_token_grid_is_not_drawn_again(house: Services) -> None:
    fields = {"prior": {"job_id": new_job_id()}, "text_check": {}}
    settings = house.settings.model_copy(update={"text_reader": "hook"})
    with pytest.raises(InvalidRequest, match="token grid") as refused:
        check(JobRequest.model_validate(fields), settings, EgressRules.of(settings, lambda: False))
    assert refused.value.field == "text_check"
