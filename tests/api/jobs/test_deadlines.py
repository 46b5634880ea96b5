"""Limits of time in requests and answers."""

from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
BAD = [
    ("start_timeout_s", 0),
    ("start_timeout_s", "five"),
    ("execution_timeout_s", -1),
    ("execution_timeout_s", 1e12),
    ("deadline", 1_900_000_000),
    ("deadline", "1900000000"),
    ("deadline", "2100-01-01"),
    ("deadline", "2100-01-01T00:00:00"),
    ("deadline", "2100-13-01T00:00:00Z"),
    ("deadline", "2020-01-01T00:00:00Z"),
]


def test_limits_are_answered_as_they_came(http: FlaskClient) -> None:
    limits = {"start_timeout_s": 60, "execution_timeout_s": 90.5, "deadline": TOMORROW.isoformat()}
    answer = http.post("/v1/jobs", json={"prompt": "a", **limits}).get_json()
    assert (answer["start_timeout_s"], answer["execution_timeout_s"]) == (60, 90.5)
    assert datetime.fromisoformat(answer["deadline"]) == TOMORROW


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_limit_that_makes_no_sense_is_refused_by_name(http: FlaskClient, field: str, value: object) -> None:
    answer = http.post("/v1/jobs", json={"prompt": "a", field: value})
    assert (answer.status_code, answer.get_json()["field"]) == (400, field)


def test_a_cancelled_picture_tells_where_it_was(http: FlaskClient) -> None:
    job = http.post("/v1/jobs", json={"prompt": "a"}).get_json()
    image = http.post(f"/v1/jobs/{job['id']}/cancel").get_json()["images"][0]
    assert (image["status"], image["ended_in"]) == ("cancelled", "before_start")
