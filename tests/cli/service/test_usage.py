"""`gridpress usage` and `gridpress admin usage`: what tenants used."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.cli.conftest import Run
from tests.cli.stub_api import StubApi, problem, reply

ROW = {
    "object": "usage",
    "day": "2026-01-05",
    "tenant": "acme",
    "key_id": "abcdefgh",
    "quality": None,
    "pictures": 12,
    "pixels": 12_582_912,
    "denoise_steps": 600,
    "ar_tokens": 15_372,
    "ar_device_s": 41.84,
    "dit_device_s": 96.0,
    "stored_bytes": 17_301_504,
    "webhooks": 3,
}
PAGE = {"data": [ROW], "has_more": False, "next": None}
AMOUNTS = "12\t12582912\t600\t15372\t41.8\t96.0\t17301504\t3"


class UsageApi(dict[str, Any]):
    """Routes that answer every path with the same response."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self._answer = answer

    def get(self, _: str, __: Any = None) -> Any:
        return lambda: self._answer


def asked(api: StubApi) -> dict[str, str]:
    """The query of the last request."""
    route = api.requests[-1][0].removeprefix("GET ")
    assert urlsplit(route).path == "/v1/usage"
    return {name: values[0] for name, values in parse_qs(urlsplit(route).query, keep_blank_values=True).items()}


def test_it_is_a_table_with_the_groups_that_were_asked_for(api: StubApi, run: Run) -> None:
    api.routes = UsageApi(reply(200, PAGE))
    assert run("usage", "--by", "day, key").stdout == f"2026-01-05\tabcdefgh\t{AMOUNTS}\n"
    assert asked(api) == {"group_by": "day,key", "limit": "100"}
    assert run("usage", "--by", "").stdout == f"{AMOUNTS}\n"


def test_all_pages_are_printed_as_json(api: StubApi, run: Run) -> None:
    api.routes = UsageApi(reply(200, PAGE))
    assert json.loads(run("usage", "--from", "2026-01-01", "--to", "2026-01-31", "--json").stdout) == PAGE
    assert asked(api) == {"from": "2026-01-01", "to": "2026-01-31", "group_by": "day", "limit": "100"}


@pytest.mark.parametrize("name", ["csv", "jsonl"])
def test_text_of_the_api_is_printed_unchanged(api: StubApi, run: Run, name: str) -> None:
    api.routes = UsageApi((200, {"content-type": "text/plain"}, b"day,pictures\r\n2026-01-05,12\r\n"))
    assert run("usage", f"--{name}").stdout_bytes == b"day,pictures\r\n2026-01-05,12\r\n"
    assert asked(api) == {"group_by": "day", "format": name}


def test_an_operator_names_a_tenant_or_gets_all(api: StubApi, run: Run) -> None:
    api.routes = UsageApi(reply(200, PAGE))
    assert run("admin", "usage", "--by", "tenant").stdout == f"acme\t{AMOUNTS}\n"
    assert asked(api)["all_tenants"] == "true"
    run("admin", "usage", "--tenant", "acme")
    assert (asked(api).get("all_tenants"), asked(api)["tenant"]) == (None, "acme")
    assert run("admin", "usage", "--tenant", "A B").exit_code == 2


def test_an_error_names_the_option(api: StubApi, run: Run) -> None:
    status, headers, body = problem(400, "from must be a day, such as 2026-01-05")
    fields = {"field": "from", "errors": [{"field": "from", "message": "from must be a day, such as 2026-01-05"}]}
    api.routes = UsageApi((status, headers, json.dumps(json.loads(body) | fields).encode()))
    result = run("usage", "--from", "soon")
    assert (result.exit_code, "--from must be a day" in result.stderr) == (1, True)
    assert run("usage", "--csv", "--json").exit_code == 2
