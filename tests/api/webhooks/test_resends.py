"""Sending again, over HTTP: one message, what failed, a range, and a test."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.webhooks import resends
from tests.api.conftest import CountedHints
from tests.api.outbox import AT_MS, a_message, due, settle
from tests.shared.store.builders import submitted

SINCE, UNTIL = "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"  # SINCE is AT_MS
HOUR_MS = 3_600_000

Json = dict[str, Any]


@pytest.fixture
def make(http: FlaskClient) -> Callable[..., str]:
    """Creates an endpoint; answers its id."""
    return lambda **fields: http.post("/v1/webhook_endpoints", json={"url": "https://a.example/", **fields}).get_json()[
        "id"
    ]


@pytest.fixture
def cancelled(store: JobStore) -> Callable[[], str]:
    """Ends a job; answers its message."""

    def end() -> str:
        job_id = submitted(store).job_id
        store.cancel(job_id, DEFAULT_TENANT)
        return f"evt_{job_id.removeprefix('job_')}_job_cancelled"

    return end


def again(http: FlaskClient, path: str, body: Json | None = None) -> TestResponse:
    return http.post(f"/v1/{path}", json=body)


def sent(num: int) -> Json:
    """The answer where that was all."""
    return {"num_messages": num, "has_more": False, "next": None}


def test_a_message_is_sent_again_wherever_it_was_for(
    http: FlaskClient, client: Client, hints: CountedHints, make: Callable[..., str], cancelled: Callable[[], str]
) -> None:
    first, second, deaf = make(), make(), make(events=["job.failed"])
    message = cancelled()
    assert (due(client, first), due(client, deaf)) == ({message}, set())
    settle(client, message, first, "delivered")
    settle(client, message, second, "abandoned")
    answer = again(http, f"webhook_messages/{message}/resend")
    assert (answer.status_code, answer.get_json()) == (202, {"num_messages": 2})
    assert (due(client, first), due(client, second), due(client, deaf)) == ({message}, {message}, set())
    assert Queue.DELIVERY in hints.sent
    told = http.get(f"/v1/webhook_messages/{message}").get_json()["destinations"]
    assert {each["status"] for each in told} == {"pending"}


def test_a_message_is_sent_to_one_endpoint_even_if_it_never_was_for_it(
    http: FlaskClient, client: Client, make: Callable[..., str], cancelled: Callable[[], str]
) -> None:
    first = make()
    message, other = cancelled(), make()
    settle(client, message, first, "delivered")
    assert again(http, f"webhook_messages/{message}/resend", {"endpoint_id": other}).get_json() == {"num_messages": 1}
    assert (due(client, first), due(client, other)) == (set(), {message})
    unknown = again(http, f"webhook_messages/{message}/resend", {"endpoint_id": "ep_" + "0" * 26})
    assert (unknown.status_code, unknown.get_json()["code"]) == (404, "webhook_endpoint_not_found")


def test_what_failed_since_a_time_is_sent_again_and_nothing_else(
    http: FlaskClient, client: Client, make: Callable[..., str]
) -> None:
    endpoint, other = make(), make()
    for minute in range(-2, 62, 2):
        message = a_message(client, f"evt_{minute}", at_ms=AT_MS - HOUR_MS)
        settle(client, message, endpoint, "abandoned", AT_MS + minute * 60_000)
    settle(client, a_message(client, "evt_elsewhere"), other, "abandoned")
    settle(client, a_message(client, "evt_well"), endpoint, "delivered")
    body = {"since": SINCE, "until": UNTIL}
    expected = {f"evt_{minute}" for minute in range(0, 60, 2)}
    assert again(http, f"webhook_endpoints/{endpoint}/recover", body).get_json() == sent(len(expected))
    assert due(client, endpoint) == expected
    assert again(http, f"webhook_endpoints/{endpoint}/recover", body).get_json() == sent(0)
    assert due(client, other) == set()


def test_a_message_that_has_left_the_store_is_not_recovered(
    http: FlaskClient, client: Client, make: Callable[..., str]
) -> None:
    endpoint = make()
    settle(client, a_message(client, "evt_1"), endpoint, "abandoned")
    client.delete("gridpress:message:evt_1")
    assert again(http, f"webhook_endpoints/{endpoint}/recover", {"since": SINCE}).get_json() == sent(0)
    assert not client.exists("gridpress:message:evt_1")


@pytest.mark.parametrize("at_once", [1, 3, 200])
def test_a_replay_sends_all_of_a_range_that_the_endpoint_listens_to(
    http: FlaskClient, client: Client, make: Callable[..., str], monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(resends, "_AT_ONCE", at_once)
    endpoint = make(events=["job.failed"])
    moments = (-1, 0, 0, 0, 0, 1, 2, 2, 5, HOUR_MS - 1, HOUR_MS)
    for number, moment in enumerate(moments):
        a_message(client, f"evt_{number}", at_ms=AT_MS + moment)
    a_message(client, "evt_other_type", type_="job.succeeded")
    a_message(client, "evt_other_tenant", "acme")
    answer = again(http, f"webhook_endpoints/{endpoint}/replay", {"since": SINCE, "until": UNTIL})
    expected = {f"evt_{number}" for number, moment in enumerate(moments) if 0 <= moment < HOUR_MS}
    assert (due(client, endpoint), answer.get_json()) == (expected, sent(len(expected)))


def test_a_replay_without_an_end_goes_on_until_now(
    http: FlaskClient, client: Client, make: Callable[..., str], cancelled: Callable[[], str]
) -> None:
    first = make()
    message, late = cancelled(), make()
    assert again(http, f"webhook_endpoints/{late}/replay", {"since": SINCE}).get_json() == sent(1)
    assert due(client, late) == due(client, first) == {message}


@pytest.mark.parametrize("action", ["recover", "replay"])
@pytest.mark.parametrize("body", [{}, {"since": "yesterday"}, {"since": "2026-01-01T00:00:00"}, {"since": None}])
def test_a_range_without_a_beginning_is_refused(
    http: FlaskClient, make: Callable[..., str], action: str, body: Json
) -> None:
    answer = again(http, f"webhook_endpoints/{make()}/{action}", body)
    assert (answer.status_code, answer.get_json()["field"]) == (400, "since")


@pytest.mark.parametrize("action", ["recover", "replay"])
def test_a_range_that_ends_before_it_begins_holds_nothing(
    http: FlaskClient, client: Client, make: Callable[..., str], action: str
) -> None:
    endpoint = make()
    settle(client, a_message(client, "evt_1"), endpoint, "abandoned")
    body = {"since": UNTIL, "until": SINCE}
    assert again(http, f"webhook_endpoints/{endpoint}/{action}", body).get_json() == sent(0)


def test_a_test_is_for_one_endpoint_whatever_it_listens_to(
    http: FlaskClient, client: Client, hints: CountedHints, make: Callable[..., str]
) -> None:
    endpoint, other = make(events=["job.failed"]), make()
    answer = again(http, f"webhook_endpoints/{endpoint}/test")
    assert answer.status_code == 202
    message = answer.get_json()
    assert (message["type"], message["job_id"]) == ("webhook_endpoint.test", None)
    assert message["destinations"] == [{"endpoint_id": endpoint, "status": "pending"}]
    assert (due(client, endpoint), due(client, other)) == ({message["id"]}, set())
    assert hints.sent == [Queue.DELIVERY]


@pytest.mark.attack
@pytest.mark.parametrize("action", ["recover", "replay"])
def test_one_request_sends_a_bounded_part_of_a_range_and_says_where_to_go_on(
    http: FlaskClient, client: Client, make: Callable[..., str], monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    monkeypatch.setattr(resends, "_AT_ONCE", 3)
    monkeypatch.setattr(resends, "_MOST_SCRIPTS", 2)
    endpoint, num = make(), 20
    for number in range(num):
        settle(client, a_message(client, f"evt_{number}", at_ms=AT_MS + number), endpoint, "abandoned", AT_MS + number)
    since, nums = SINCE, []
    while since:
        body = {"since": since, "until": UNTIL}
        answer = again(http, f"webhook_endpoints/{endpoint}/{action}", body).get_json()
        assert len(due(client, endpoint)) == sum(nums) + answer["num_messages"]
        assert answer["has_more"] is (answer["next"] is not None)
        nums.append(answer["num_messages"])
        since = answer["next"]
    assert nums == [6, 6, 6, 2]
