"""`gridpress admin audit`: the acts of administrators and operators."""

import json

import pytest

from tests.cli.conftest import Run
from tests.cli.stub_api import StubApi, problem, reply

ACT = {
    "id": "act_1",
    "object": "act",
    "at": "2026-01-05T09:30:00.000Z",
    "tenant": "acme",
    "key_id": "x7k2m4qa",
    "act": "POST /v1/keys/{key_id}/revoke",
    "path": "/v1/keys/q4m2k7xa/revoke",
    "address": "203.0.113.7",
    "request_id": "req_1",
    "status": 200,
    "code": None,
    "facts": {"key_id": "q4m2k7xa", "scopes": ["read", "render"]},
}
COMMAND = {**ACT, "id": "act_0", "tenant": None, "key_id": None, "act": "gridpress keys revoke", "path": None,
           "address": None, "status": None, "code": "KeyNotFound", "facts": {"user": "root"}}  # fmt: skip


@pytest.fixture(autouse=True)
def two_pages(api: StubApi) -> None:
    api.routes["GET /v1/audit?limit=100"] = lambda: reply(200, {"data": [ACT], "has_more": True, "next": "act_1"})
    last = {"data": [COMMAND], "has_more": False, "next": None}
    api.routes["GET /v1/audit?limit=100&after=act_1"] = lambda: reply(200, last)


def test_a_line_says_who_did_what_from_where(run: Run) -> None:
    first, second = run("admin", "audit").stdout.splitlines()
    what = ["2026-01-05T09:30:00Z", "acme", "x7k2m4qa", "203.0.113.7", "POST /v1/keys/q4m2k7xa/revoke", "200"]
    assert first.split("\t") == [*what, "key_id=q4m2k7xa scopes=read,render"]
    assert second.split("\t")[4:] == ["gridpress keys revoke", "KeyNotFound", "user=root"]


def test_only_as_many_as_asked_for_are_shown(run: Run, api: StubApi) -> None:
    assert json.loads(run("admin", "audit", "--limit", "1", "--json").stdout) == [ACT]
    assert len(api.requests) == 1


def test_lines_of_json_have_all_acts(run: Run) -> None:
    result = run("admin", "audit", "--jsonl", "--limit", "1")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [ACT, COMMAND]


def test_the_acts_of_one_tenant_are_asked_for(run: Run, api: StubApi) -> None:
    api.routes["GET /v1/audit?limit=100&tenant=acme"] = lambda: problem(403, "no scope operator")
    result = run("admin", "audit", "--tenant", "acme")
    assert (result.exit_code, "no scope operator" in result.stderr) == (1, True)
