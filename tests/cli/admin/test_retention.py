"""`gridpress admin retention`: how long the data of a tenant is kept."""

import json

import pytest

from tests.cli.conftest import Run
from tests.cli.stub_api import StubApi, problem, reply

PATH = "/v1/tenants/acme/retention"


def test_it_is_shown_without_a_change(api: StubApi, run: Run) -> None:
    api.routes[f"GET {PATH}"] = lambda: reply(200, {"tenant": "acme", "delete_after_s": None})
    assert "acme are not deleted by themselves" in run("admin", "retention", "--tenant", "acme").stdout


@pytest.mark.parametrize(("given", "sent"), [("7200", 7200), ("0", None)])
def test_it_is_changed(api: StubApi, run: Run, given: str, sent: int | None) -> None:
    answer = {"tenant": "acme", "delete_after_s": sent}
    api.routes[f"PUT {PATH}"] = lambda: reply(200, answer)
    result = run("admin", "retention", "--tenant", "acme", "--delete-after", given, "--json")
    assert (json.loads(result.stdout), api.sent(f"PUT {PATH}")) == (answer, [{"delete_after_s": sent}])


def test_a_refusal_is_one_line(api: StubApi, run: Run) -> None:
    api.routes[f"GET {PATH}"] = lambda: problem(404, "this tenant does not exist, or is not yours")
    result = run("admin", "retention", "--tenant", "acme")
    assert (result.exit_code, "is not yours" in result.stderr) == (1, True)
