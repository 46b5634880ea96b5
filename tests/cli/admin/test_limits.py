"""`gridpress admin limits`: the limits that are set for a tenant."""

import json

import pytest

from tests.cli.conftest import Run
from tests.cli.stub_api import StubApi, problem, reply

PATH = "/v1/tenants/acme/limits"
LIMITS = {
    "tenant": "acme",
    "requests_per_minute": 600,
    "pixels_per_day": None,
    "queued_renders": 100,
    "concurrent_renders": None,
    "connections": None,
    "streams": 50,
    "stored_bytes": None,
    "weight": None,
}


def test_they_are_shown_without_a_change(api: StubApi, run: Run) -> None:
    api.routes[f"GET {PATH}"] = lambda: reply(200, LIMITS)
    lines = run("admin", "limits", "--tenant", "acme").stdout.splitlines()
    for line in (
        "requests per minute: 600",
        "pixels per day: no limit",
        "connections: default of the service",
        "streams: 50",
        "weight: 1",
    ):
        assert line in lines


@pytest.mark.parametrize(("given", "sent"), [("50", 50), ("0", None)])
def test_only_those_that_are_given_are_changed(api: StubApi, run: Run, given: str, sent: int | None) -> None:
    api.routes[f"PATCH {PATH}"] = lambda: reply(200, LIMITS)
    result = run("admin", "limits", "--tenant", "acme", "--streams", given, "--queued-renders", "9", "--json")
    assert json.loads(result.stdout) == LIMITS
    assert api.sent(f"PATCH {PATH}") == [{"queued_renders": 9, "streams": sent}]


def test_a_refusal_is_one_line(api: StubApi, run: Run) -> None:
    api.routes[f"PATCH {PATH}"] = lambda: problem(403, "this API key does not have the scope operator")
    result = run("admin", "limits", "--tenant", "acme", "--weight", "3")
    assert (result.exit_code, "scope operator" in result.stderr) == (1, True)
