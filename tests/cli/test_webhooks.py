"""`gridpress webhooks`: what it asks the API, what it prints, and what it believes."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from cli.webhooks.listener import Listener
from shared.webhooks.secrets import new_secret
from tests.cli.answering import Reply
from tests.cli.conftest import Run
from tests.cli.stub_api import StubApi, problem, reply

ID, EVENTS = "ep_1", ["job.failed"]
ENDPOINT = {
    "id": ID, "url": "https://a.example/", "status": "disabled", "disabled_reason": "gone", "failing_since": None,
    "payload": "full", "events": EVENTS, "old_secret_ends_at": "2026-01-02T00:00:00.000Z",
}  # fmt: skip
ATTEMPT = {
    "at": "2026-01-01T00:00:00.000Z", "message_id": "evt_1", "attempt": 2, "endpoint_id": None, "url": "https://b.example/",
    "latency_ms": 31, "status": 503, "error": "receiver answered 503", "answer": "no",
}  # fmt: skip
PATH = f"/v1/webhook_endpoints/{ID}"


def test_endpoints_are_listed_with_what_became_of_them(api: StubApi, run: Run) -> None:
    api.routes["GET /v1/webhook_endpoints?limit=20"] = lambda: reply(200, {"data": [ENDPOINT]})
    assert {ID, "disabled", "(gone)", "https://a.example/"} <= set(run("webhooks", "endpoints").output.split())
    assert json.loads(run("webhooks", "endpoints", "--json").output) == {"data": [ENDPOINT]}


def test_a_new_endpoint_prints_only_its_secret(api: StubApi, run: Run) -> None:
    api.routes["POST /v1/webhook_endpoints"] = lambda: reply(201, ENDPOINT | {"secret": "whsec_a"})
    options = ("--event", "job.failed", "--thin", "--header", "Authorization: Bearer x:y")
    result = run("webhooks", "add", "https://a.example/", *options)
    assert (result.stdout, ID in result.stderr) == ("whsec_a\n", True)
    [sent] = api.sent("POST /v1/webhook_endpoints")
    assert (sent["events"], sent["payload"], sent["headers"]) == (EVENTS, "thin", {"Authorization": "Bearer x:y"})


def test_a_header_without_a_colon_is_a_wrong_command_line(run: Run) -> None:
    assert run("webhooks", "add", "https://a.example/", "--header", "Authorization").exit_code == 2


@pytest.mark.parametrize(("action", "shown"), [("enable", f"{ID} disabled\n"), ("disable", f"{ID} disabled\n")])
def test_an_endpoints_status_is_shown_after_a_change(api: StubApi, run: Run, action: str, shown: str) -> None:
    api.routes[f"POST {PATH}/{action}"] = lambda: reply(200, ENDPOINT)
    assert run("webhooks", action, ID).output == shown


def test_a_removed_endpoint_is_confirmed(api: StubApi, run: Run) -> None:
    api.routes[f"DELETE {PATH}"] = lambda: (204, {}, b"")
    assert run("webhooks", "remove", ID).output == f"{ID} removed\n"


def test_a_rotation_prints_the_new_secret_and_until_when_the_old_one_signs(api: StubApi, run: Run) -> None:
    api.routes[f"POST {PATH}/rotate_secret"] = lambda: reply(200, ENDPOINT | {"secret": "whsec_b"})
    result = run("webhooks", "rotate", ID)
    assert result.stdout == "whsec_b\n"
    assert str(ENDPOINT["old_secret_ends_at"]) in result.stderr


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("ep_1", "/v1/webhook_endpoints/ep_1/attempts"),
        ("job_1", "/v1/jobs/job_1/webhook_attempts"),
        ("evt_1", "/v1/webhook_messages/evt_1/attempts"),
    ],
)
def test_attempts_are_those_of_whatever_the_id_is_of(api: StubApi, run: Run, name: str, path: str) -> None:
    api.routes[f"GET {path}?limit=5"] = lambda: reply(200, {"data": [ATTEMPT]})
    assert {"evt_1", "503", "31", "https://b.example/"} <= set(
        run("webhooks", "attempts", name, "--limit", 5).output.split()
    )
    assert json.loads(run("webhooks", "attempts", name, "--limit", 5, "--json").output) == {"data": [ATTEMPT]}


def test_a_message_is_resent_wherever_it_was_for_or_to_one_endpoint(api: StubApi, run: Run) -> None:
    api.routes["POST /v1/webhook_messages/evt_1/resend"] = lambda: reply(202, {"num_messages": 2})
    assert run("webhooks", "resend", "evt_1").output == "2 due\n"
    run("webhooks", "resend", "evt_1", "--endpoint", ID)
    assert api.sent("POST /v1/webhook_messages/evt_1/resend") == [None, {"endpoint_id": ID}]


@pytest.mark.parametrize("action", ["recover", "replay"])
def test_a_time_can_be_told_by_how_long_ago_it_was(api: StubApi, run: Run, action: str) -> None:
    api.routes[f"POST {PATH}/{action}"] = lambda: reply(202, {"num_messages": 0})
    before = datetime.now(UTC)
    assert run("webhooks", action, ID, "--since", "2h", "--until", "2026-01-01T00:00:00Z").output == "0 due\n"
    [sent] = api.sent(f"POST {PATH}/{action}")
    assert (
        before - timedelta(hours=2, seconds=1)
        < datetime.fromisoformat(sent["since"])
        < datetime.now(UTC) - timedelta(hours=2) + timedelta(seconds=1)
    )
    assert sent["until"] == "2026-01-01T00:00:00Z"


def test_a_test_prints_the_messages_id(api: StubApi, run: Run) -> None:
    api.routes[f"POST {PATH}/test"] = lambda: reply(202, {"id": "evt_2"})
    assert run("webhooks", "test", ID).output == "evt_2\n"


def signed(secret: str, event: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a POST."""
    body, now = json.dumps(event), datetime.now(UTC)
    headers = {
        "webhook-id": "evt_9",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("evt_9", now, body),
    }
    return {"content": body.encode(), "headers": headers}


EVENT = {"type": "job.failed", "timestamp": "2026-01-01T00:00:00.000Z", "data": {"id": "job_1", "status": "failed"}}


class Registering:
    """An API that calls every endpoint that is registered with it, once rightly signed and once not."""

    def __init__(self, api: StubApi) -> None:
        self._api = api
        self._secret = new_secret()
        self._threads: list[threading.Thread] = []
        api.routes["POST /v1/webhook_endpoints"] = self._register
        api.routes[f"DELETE {PATH}"] = lambda: (204, {}, b"")

    def _register(self) -> Reply:
        url = self._api.requests[-1][1]["url"]
        self._threads.append(threading.Thread(target=self._call, args=(url,)))
        self._threads[-1].start()
        return reply(201, ENDPOINT | {"secret": self._secret})

    def _call(self, url: str) -> None:
        with httpx.Client(trust_env=False) as client:
            client.post(url, **signed(new_secret(), EVENT))
            # Until it was told the secret it believes nobody.
            while client.post(url, **signed(self._secret, EVENT)).status_code == 401:
                pass

    def join(self) -> None:
        for thread in self._threads:
            thread.join()


def test_a_listener_registers_itself_prints_what_verifies_and_leaves_nothing_behind(api: StubApi, run: Run) -> None:
    service = Registering(api)
    result = run("webhooks", "listen", "--port", 0, "--register", "--event", "job.failed", "--count", 1)
    service.join()
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)
    assert "refused evt_9" in result.stderr
    assert api.sent("POST /v1/webhook_endpoints")[0]["events"] == EVENTS
    assert len(api.sent(f"DELETE {PATH}")) == 1


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener(0) as standing:
        yield standing


def test_a_listener_answers_204_to_what_is_signed_and_401_to_anything_else(listener: Listener) -> None:
    secret = new_secret()
    listener.trust(secret)
    forged = signed(secret, EVENT) | {"content": b"{}"}
    with httpx.Client(trust_env=False) as client:
        sent = (signed(secret, EVENT), signed(new_secret(), EVENT), forged, {"content": b"", "headers": {}})
        assert [client.post(listener.url, **each).status_code for each in sent] == [204, 401, 401, 401]
    assert [listener.received.get_nowait().event for _ in sent] == [EVENT, None, None, None]


@pytest.mark.parametrize("as_json", [True, False])
def test_what_came_is_printed_in_one_line(
    api: StubApi, run: Run, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    secret = new_secret()
    api.routes["GET /v1/webhooks/secret"] = lambda: reply(200, {"secret": secret})
    monkeypatch.setattr(Listener, "trust", _trusting_and_called(Listener.trust))
    result = run("webhooks", "listen", "--port", 0, "--count", 1, *(["--json"] if as_json else []))
    line = result.stdout.strip()
    assert json.loads(line) == EVENT if as_json else {"job.failed", "job_1", "evt_9"} <= set(line.split())
    assert "refused evt_9" in result.stderr


def _trusting_and_called(trust: Any) -> Any:
    def called(listener: Listener, secret: str) -> None:
        trust(listener, secret)
        with httpx.Client(trust_env=False) as client:
            for each in (new_secret(), secret):
                client.post(listener.url, **signed(each, EVENT))

    return called


def test_a_port_that_is_taken_is_one_line(listener: Listener, run: Run) -> None:
    port = listener.url.rstrip("/").rpartition(":")[2]
    result = run("webhooks", "listen", "--port", port)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert f"port {port} can't be listened at" in result.stderr


def test_a_refused_registration_is_told_as_the_api_tells_it(api: StubApi, run: Run) -> None:
    api.routes["POST /v1/webhook_endpoints"] = lambda: problem(409, "a tenant may have 50 webhook endpoints")
    result = run("webhooks", "listen", "--port", 0, "--register")
    assert (result.exit_code, "a tenant may have 50" in result.stderr) == (1, True)


def test_events_are_chosen_for_a_registration_only(run: Run) -> None:
    assert run("webhooks", "listen", "--event", "job.failed").exit_code == 2
