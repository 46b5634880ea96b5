"""What was sent, over HTTP: attempts and messages."""

import pytest
from flask.testing import FlaskClient

from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from tests.api.outbox import a_message, an_attempt
from tests.shared.store.builders import submitted

URL = "https://shop.example.com/hooks"


@pytest.fixture
def endpoint(http: FlaskClient) -> str:
    return http.post("/v1/webhook_endpoints", json={"url": URL}).get_json()["id"]


@pytest.fixture(params=["endpoint", "job", "message"])
def log(request: pytest.FixtureRequest, client: Client, store: JobStore) -> tuple[str, str]:
    """What the log is of, and its path."""
    match request.param:
        case "endpoint":
            name = request.getfixturevalue("endpoint")
            return name, f"/v1/webhook_endpoints/{name}/attempts"
        case "job":
            name = submitted(store).job_id
            return name, f"/v1/jobs/{name}/webhook_attempts"
    return a_message(client, "evt_1"), "/v1/webhook_messages/evt_1/attempts"


def test_attempts_come_in_pages_the_newest_first(http: FlaskClient, client: Client, log: tuple[str, str]) -> None:
    name, path = log
    for number in range(1, 6):
        an_attempt(client, name, number)
    first = http.get(path, query_string={"limit": 3}).get_json()
    second = http.get(path, query_string={"limit": 3, "after": first["next"]}).get_json()
    assert [each["attempt"] for each in first["data"] + second["data"]] == [5, 4, 3, 2, 1]
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert http.get(path, query_string={"after": "nonsense"}).get_json()["field"] == "after"


def test_before_the_first_attempt_the_log_is_empty(http: FlaskClient, log: tuple[str, str]) -> None:
    assert http.get(log[1]).get_json() == {"data": [], "has_more": False, "next": None}


def test_an_attempt_tells_when_whom_how_long_and_what_came_back(
    http: FlaskClient, client: Client, endpoint: str
) -> None:
    an_attempt(client, endpoint, 1, destination=endpoint)
    an_attempt(client, endpoint, 2, destination="url_5f", status="200")
    an_attempt(client, endpoint, 3, destination=endpoint, status="")
    unanswered, well, failed = http.get(f"/v1/webhook_endpoints/{endpoint}/attempts").get_json()["data"]
    assert failed.pop("id")
    assert failed == {
        "message_id": "evt_1",
        "type": "job.failed",
        "job_id": "job_1",
        "endpoint_id": endpoint,
        "url": "https://a.example/",
        "attempt": 1,
        "at": "2026-01-01T00:00:00.001Z",
        "latency_ms": 31,
        "succeeded": False,
        "status": 503,
        "error": "receiver answered 503",
        "answer": "busy",
    }
    assert (well["succeeded"], well["endpoint_id"], well["error"]) == (True, None, None)
    assert (unanswered["succeeded"], unanswered["status"]) == (False, None)


def test_a_message_tells_how_far_it_came_everywhere(http: FlaskClient, client: Client, endpoint: str) -> None:
    a_message(client, "evt_1", job="job_1", **{endpoint: "delivered", "url_5f": "abandoned"})
    assert http.get("/v1/webhook_messages/evt_1").get_json() == {
        "id": "evt_1",
        "type": "job.failed",
        "job_id": "job_1",
        "happened_at": "2026-01-01T00:00:00.000Z",
        "sequence": 1,
        "destinations": [
            {"endpoint_id": endpoint, "status": "delivered"},
            {"endpoint_id": None, "status": "abandoned"},
        ],
    }


@pytest.mark.parametrize("path", ["", "/attempts"])
def test_a_message_that_is_not_there_is_not_found(http: FlaskClient, path: str) -> None:
    answer = http.get(f"/v1/webhook_messages/evt_0{path}")
    assert (answer.status_code, answer.get_json()["code"]) == (404, "webhook_message_not_found")
