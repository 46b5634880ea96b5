"""`gridpress admin tenants`."""

import json

from tests.cli.conftest import Run
from tests.cli.stub_api import StubApi, problem, reply

FACTS = {
    "object": "tenant", "num_keys": 3, "num_open_jobs": 12, "queued_renders": 30, "running_renders": 4,
    "stored_bytes": 17, "has_limits": True, "has_bucket": False, "is_paused": True, "is_erasing": False,
}  # fmt: skip
ACME, GLOBEX = ({"id": name, **FACTS} for name in ("acme", "globex"))
PLAIN = {**GLOBEX, "has_limits": False, "is_paused": False}
FIRST = {"data": [ACME], "has_more": True, "next": "acme"}
LAST = {"data": [PLAIN], "has_more": False, "next": None}


def test_all_pages_are_one_table(api: StubApi, run: Run) -> None:
    api.routes["GET /v1/tenants?limit=100"] = lambda: reply(200, FIRST)
    api.routes["GET /v1/tenants?limit=100&after=acme"] = lambda: reply(200, LAST)
    lines = run("admin", "tenants").stdout.splitlines()
    assert [line.split("\t") for line in lines] == [
        ["acme", "3", "12", "30", "4", "17", "limits paused"],
        ["globex", "3", "12", "30", "4", "17", ""],
    ]
    assert json.loads(run("admin", "tenants", "--json").stdout) == [ACME, PLAIN]


def test_a_refusal_is_one_line(api: StubApi, run: Run) -> None:
    api.routes["GET /v1/tenants?limit=100"] = lambda: problem(403, "this API key lacks the scope operator")
    result = run("admin", "tenants")
    assert (result.exit_code, result.stdout, "lacks the scope operator" in result.stderr) == (1, "", True)
