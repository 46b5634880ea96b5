"""`gridpress admin erase` and `erasure`."""

from typing import Any

import pytest

from cli.admin import erase
from tests.cli.conftest import Run
from tests.cli.stub_api import StubApi, problem, reply

PATH = "/v1/tenants/acme/data"


def state(phase: str | None) -> dict[str, Any]:
    status = "erasing" if phase else "none"
    return {"tenant": "acme", "status": status, "phase": phase, "started_at": None, "settings": None}


def test_without_consent_nothing_is_sent(api: StubApi, run: Run) -> None:
    assert run("admin", "erase", "--tenant", "acme").exit_code == 1
    assert api.requests == []


def test_it_waits_until_nothing_is_left(api: StubApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erase, "_POLL_S", 0)
    left = ["settling", "finishing", None]
    api.routes[f"DELETE {PATH}"] = lambda: reply(202, state("deleting"))
    api.routes[f"GET {PATH}"] = lambda: reply(200, state(left.pop(0)))
    result = run("admin", "erase", "--tenant", "acme", "--yes", "--wait")
    assert (result.exit_code, left) == (0, [])
    assert "has ended" in result.stdout


def test_settings_are_asked_for(api: StubApi, run: Run) -> None:
    api.routes[f"DELETE {PATH}?settings=true"] = lambda: reply(202, state("deleting"))
    assert "are being deleted" in run("admin", "erase", "--tenant", "acme", "--yes", "--settings").stdout


def test_the_state_is_shown(api: StubApi, run: Run) -> None:
    api.routes[f"GET {PATH}"] = lambda: reply(200, state("settling"))
    assert "a last search follows" in run("admin", "erasure", "--tenant", "acme").stdout


def test_a_refusal_is_one_line(api: StubApi, run: Run) -> None:
    api.routes[f"DELETE {PATH}"] = lambda: problem(404, "this tenant does not exist, or is not yours")
    result = run("admin", "erase", "--tenant", "acme", "--yes")
    assert (result.exit_code, "is not yours" in result.stderr) == (1, True)
