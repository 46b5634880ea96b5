"""Places in lists and moments, at every door that takes one: any text is answered, none with a 500."""

import pytest
from flask.testing import FlaskClient

from shared.access.keys import Scope
from shared.ids import DEFAULT_TENANT
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from tests.api.outbox import a_message, an_attempt
from tests.shared.store.builders import submitted

pytestmark = pytest.mark.attack

REFUSED = [
    "18446744073709551616-0",
    "99999999999999999999-99999999999999999999",
    "1-18446744073709551616",
    "-1-0",
    "1--1",
    "1",
    "-",
    "+",
    "$",
    "*",
    "(1-0",
    "1-0-0",
    "1e3-0",
    "٣-٣",
    " 1-0",
    "1-0\n",
    "1-0\0",
]
NOTHING_BEFORE = ["0-0", "00-0", "0-00", "000000-000000"]
EVERYTHING = ["9999999999999999999-9999999999999999999"]

# What a list may begin with, and no deadline.
LONG_AGO = [
    "0001-01-01T00:00:00Z",
    "0001-01-02T00:00:00+23:59",
    "1969-12-31T23:59:59Z",
    "1970-01-01T00:00:00+00:01",
]
OUT_OF_RANGE = [
    "9999-12-31T23:59:59-23:59",
    "9999-12-31T23:59:59.999999-00:01",
    "0001-01-01T00:00:00+23:59",
    "0001-01-01T00:00:00+00:01",
    "0000-01-01T00:00:00Z",
]
NO_TIMES = [
    "2030-06-30T23:59:60Z",
    "2030-02-30T00:00:00Z",
    "2030-01-01T24:00:00Z",
    "2030-01-01T00:00:00+24:00",
    "2030-01-01T00:00:00+99:99",
    "2030-01-01T00:00:00",
    "12030-01-01T00:00:00Z",
    "-2030-01-01T00:00:00Z",
    "٢٠٣٠-01-01T00:00:00Z",
    "1893456000",
    "inf",
    "NaN",
    "",
    "\0",
]
TIMES = OUT_OF_RANGE + NO_TIMES


@pytest.fixture
def logs(http: FlaskClient, client: Client, store: JobStore) -> list[str]:
    """The three routes of attempts, each with two attempts."""
    job, message = submitted(store).job_id, a_message(client, "evt_1", ep_1="pending")
    endpoint = http.post("/v1/webhook_endpoints", json={"url": "https://a.example/"}).get_json()["id"]
    for of in (job, message, endpoint):
        an_attempt(client, of, 1)
        an_attempt(client, of, 2)
    return [
        f"/v1/jobs/{job}/webhook_attempts",
        f"/v1/webhook_messages/{message}/attempts",
        f"/v1/webhook_endpoints/{endpoint}/attempts",
    ]


def test_every_cursor_of_an_attempt_log_is_answered(http: FlaskClient, logs: list[str]) -> None:
    for path in logs:
        for after in REFUSED:
            answer = http.get(path, query_string={"after": after})
            assert (answer.status_code, answer.get_json()["field"]) == (400, "after"), after
        for after in NOTHING_BEFORE:
            assert http.get(path, query_string={"after": after}).get_json()["data"] == [], after
        for after in EVERYTHING:
            assert len(http.get(path, query_string={"after": after}).get_json()["data"]) == 2


@pytest.mark.parametrize("after", REFUSED[:-2])
def test_every_resume_point_of_a_stream_is_answered(http: FlaskClient, store: JobStore, after: str) -> None:
    path = f"/v1/jobs/{submitted(store).job_id}/events"
    answer = http.get(path, headers={"Last-Event-ID": after.encode().decode("latin-1")})
    assert (answer.status_code, answer.get_json()["field"]) == (400, "Last-Event-ID")


@pytest.mark.parametrize("after", [*NOTHING_BEFORE, *EVERYTHING, "0"])
def test_a_resume_point_far_away_is_followed(http: FlaskClient, store: JobStore, after: str) -> None:
    job = submitted(store)
    store.cancel(job.job_id, job.spec.tenant)
    answer = http.get(f"/v1/jobs/{job.job_id}/events", headers={"Last-Event-ID": after})
    assert answer.status_code == (204 if after in EVERYTHING else 200)


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/batches", "/v1/files", "/v1/webhook_endpoints", "/v1/dead_letters"])
def test_every_cursor_of_a_list_is_answered(http: FlaskClient, path: str) -> None:
    for after in [*REFUSED, *NOTHING_BEFORE, "\udcff", "job_" + "z" * 26, "job_" + "z" * 27, "(", "["]:
        answer = http.get(path, query_string={"after": after.encode("utf-8", "surrogateescape")})
        assert answer.status_code in (200, 400), after
    for limit in ["0", "-1", "101.5", "1e2", "9" * 5000, "NaN", "inf", "0x10", "1_0", "true", "٣", "", "2" * 20]:
        assert http.get(path, query_string={"limit": limit}).status_code in (200, 400), limit


@pytest.mark.parametrize("door", ["/v1/jobs", "/v1/images/generations"])
def test_a_deadline_out_of_range_makes_no_job(http: FlaskClient, door: str) -> None:
    for deadline in TIMES + LONG_AGO:
        answer = http.post(door, json={"prompt": "a", "deadline": deadline})
        assert answer.status_code == 400, deadline
        assert "deadline" in answer.text
    assert http.get("/v1/jobs").get_json()["data"] == []


def test_a_moment_out_of_range_is_refused_wherever_one_is_taken(http: FlaskClient, store: JobStore) -> None:
    job = submitted(store).job_id
    endpoint = http.post("/v1/webhook_endpoints", json={"url": "https://a.example/"}).get_json()["id"]
    for moment in TIMES:
        asked = {"input_file_id": "file-" + "0" * 26, "endpoint": "/v1/jobs", "completion_window": "24h"}
        answers = [
            http.get("/v1/jobs", query_string={"created_after": moment}),
            http.get("/v1/jobs", query_string={"created_before": moment}),
            http.post(f"/v1/jobs/{job}/retry", json={"deadline": moment}),
            http.post("/v1/batches", json={**asked, "deadline": moment}),
            http.post(f"/v1/webhook_endpoints/{endpoint}/replay", json={"since": moment}),
            http.post(f"/v1/webhook_endpoints/{endpoint}/recover", json={"since": moment, "until": moment}),
        ]
        assert [answer.status_code for answer in answers] == [400] * 6, moment


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ("9999-12-31T23:59:59+23:59", "9999-12-31T00:00:59.000Z"),
        ("2100-01-01t00:00:00z", "2100-01-01T00:00:00.000Z"),
        ("2100-01-01 00:00:00-12:00", "2100-01-01T12:00:00.000Z"),
        ("2100-01-01T00:00:00.123456789Z", "2100-01-01T00:00:00.123Z"),
    ],
)
def test_a_deadline_within_range_is_told_in_utc(http: FlaskClient, moment: str, told: str) -> None:
    answer = http.post("/v1/jobs", json={"prompt": "a", "deadline": moment})
    assert (answer.status_code, answer.get_json()["deadline"]) == (202, told)
    assert http.get("/v1/jobs").get_json()["data"][0]["deadline"] == told


def test_a_list_may_begin_before_time_was_counted(http: FlaskClient, store: JobStore) -> None:
    job = submitted(store).job_id
    endpoint = http.post("/v1/webhook_endpoints", json={"url": "https://a.example/"}).get_json()["id"]
    for moment in LONG_AGO:
        [found] = http.get("/v1/jobs", query_string={"created_after": moment}).get_json()["data"]
        assert found["id"] == job
        assert http.get("/v1/jobs", query_string={"created_before": moment}).get_json()["data"] == []
        for action in ("replay", "recover"):
            answer = http.post(f"/v1/webhook_endpoints/{endpoint}/{action}", json={"since": moment})
            assert answer.get_json() == {"num_messages": 0, "has_more": False, "next": None}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/jobs",
        "/v1/batches",
        "/v1/files",
        "/v1/webhook_endpoints",
        "/v1/dead_letters",
        "/v1/keys",
        "/v1/usage",
        "/v1/audit",
    ],
)
@pytest.mark.parametrize("after", ["x", "x" * 300])
def test_a_bad_cursor_of_a_list_is_refused_with_the_form_of_a_good_one(
    http: FlaskClient, client: Client, path: str, after: str
) -> None:
    _, key = KeyStore(client).create(DEFAULT_TENANT, [Scope.ADMIN, Scope.OPERATOR])
    answer = http.get(path, query_string={"after": after}, headers={"Authorization": f"Bearer {key}"})
    error = answer.get_json()["error"]  # the routes of batches and files have OpenAI's errors; problems have both
    assert (answer.status_code, error["param"]) == (400, "after")
    assert error["message"].startswith("after must be text such as ")
