"""A tenant reads what it used, and an operator what all tenants used: as JSON in pages, as CSV and as JSON lines."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.access.keys import ApiKey, Scope
from shared.ids import TenantId
from shared.jobs.spec import Quality
from shared.jobs.usage import Amounts, Used
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.renders.leases import LeaseStore
from tests.shared.store.builders import RULES
from tests.shared.store.usage import count, decoding, finish

ACME, GLOBEX = TenantId("acme"), TenantId("globex")
DAY = datetime.now(UTC).date()
MONTH = {"from": str(DAY - timedelta(days=20)), "to": str(DAY)}
EACH = "day,key,quality"
SMALL = {"prompt": "a", "size": "256x256"}


def a_key(client: Client, tenant: TenantId = ACME, *scopes: Scope) -> tuple[ApiKey, dict[str, str]]:
    key, text = KeyStore(client).create(tenant, scopes or [Scope.READ, Scope.RENDER])
    return key, {"Authorization": f"Bearer {text}"}


def use(client: Client, tenant: TenantId, days_ago: int, key: str, quality: Quality, pictures: int) -> None:
    moment = datetime.combine(DAY - timedelta(days=days_ago), datetime.min.time(), UTC)
    used = Used(key, quality, Amounts(pictures, ar_device_ms=1500 * pictures))
    count(client, used, tenant, int(moment.timestamp() * 1000))


def fill(client: Client) -> None:
    use(client, ACME, 0, "aaaaaaaa", Quality.EXACT, 1)
    use(client, ACME, 0, "aaaaaaaa", Quality.FAST, 2)
    use(client, ACME, 0, "bbbbbbbb", Quality.EXACT, 4)
    use(client, ACME, 3, "bbbbbbbb", Quality.EXACT, 8)
    use(client, GLOBEX, 0, "cccccccc", Quality.EXACT, 16)
    use(client, GLOBEX, 25, "cccccccc", Quality.EXACT, 32)


def read(http: FlaskClient, fields: dict[str, str], **query: Any) -> list[dict[str, Any]]:
    """Returns all rows, by pages of two."""
    found: list[dict[str, Any]] = []
    page: dict[str, Any] = {"has_more": True, "next": None}
    while page["has_more"]:
        after = {"after": page["next"]} if page["next"] else {}
        answer = http.get("/v1/usage", query_string={**MONTH, "limit": 2, **query, **after}, headers=fields)
        assert answer.status_code == 200, answer.text
        page = answer.get_json()
        assert len(page["data"]) <= 2
        found += page["data"]
    return found


def test_a_picture_of_a_request_counts_for_the_api_key_of_the_request(http: FlaskClient, client: Client) -> None:
    key, fields = a_key(client)
    assert http.post("/v1/jobs", json={**SMALL, "quality": "fast"}, headers=fields).status_code == 202
    leases = LeaseStore(client, RULES)
    finish(leases, decoding(leases))
    (row,) = read(http, fields, group_by=EACH)
    assert row == {
        "object": "usage",
        "day": row["day"],
        "tenant": "acme",
        "key_id": key.key_id,
        "quality": "fast",
        "pictures": 1,
        "pixels": 65_536,
        "denoise_steps": 50,
        "ar_tokens": row["ar_tokens"],
        "ar_device_s": 1.5,
        "dit_device_s": 2.25,
        "stored_bytes": 123,
        "webhooks": 0,
    }


def test_rows_are_grouped_as_asked(http: FlaskClient, client: Client) -> None:
    fill(client)
    _, fields = a_key(client)
    by_day = read(http, fields)
    assert [(row["day"], row["pictures"]) for row in by_day] == [(str(DAY - timedelta(days=3)), 8), (str(DAY), 7)]
    assert {(row["tenant"], row["key_id"], row["quality"]) for row in by_day} == {("acme", None, None)}
    by_key = read(http, fields, group_by="key")
    assert [(row["day"], row["key_id"], row["pictures"]) for row in by_key] == [
        (None, "aaaaaaaa", 3),
        (None, "bbbbbbbb", 12),
    ]
    assert [(row["quality"], row["pictures"]) for row in read(http, fields, group_by="quality")] == [
        ("exact", 13),
        ("fast", 2),
    ]
    assert len(read(http, fields, group_by=EACH)) == 4
    (whole,) = read(http, fields, group_by="")
    assert (whole["pictures"], whole["ar_device_s"], whole["day"]) == (15, 22.5, None)


def test_only_the_days_that_are_asked_for_count(http: FlaskClient, client: Client) -> None:
    fill(client)
    _, fields = a_key(client, GLOBEX)
    assert [row["pictures"] for row in read(http, fields)] == [16]
    early = {"from": str(DAY - timedelta(days=25)), "to": str(DAY - timedelta(days=25))}
    assert [row["pictures"] for row in read(http, fields, **early)] == [32]
    assert read(http, fields, **{"from": "0001-01-01", "to": "0001-02-01"}) == []
    assert [row["pictures"] for row in read(http, fields, **{"from": "0001-01-01", "to": "9999-12-31"})] == [32, 16]
    month = http.get("/v1/usage", headers=fields).get_json()["data"]
    assert all(date.fromisoformat(row["day"]).month == DAY.month for row in month)


@pytest.mark.parametrize("by_field", [True, False])
def test_csv_and_json_lines_have_all_rows(http: FlaskClient, client: Client, *, by_field: bool) -> None:
    fill(client)
    _, fields = a_key(client)
    rows = read(http, fields, group_by=EACH)

    def text_of(name: str, content_type: str) -> str:
        query, accept = ({"format": name}, {}) if by_field else ({}, {"Accept": content_type})
        answer = http.get("/v1/usage", query_string={**MONTH, "group_by": EACH, **query}, headers={**fields, **accept})
        assert answer.status_code == 200
        assert answer.content_type.startswith(content_type)
        assert f"usage-{MONTH['from']}-{MONTH['to']}.{name}" in answer.headers["Content-Disposition"]
        return answer.text

    assert [json.loads(line) for line in text_of("jsonl", "application/jsonl").splitlines()] == rows
    table = list(csv.DictReader(io.StringIO(text_of("csv", "text/csv"), newline="")))
    assert [row["pictures"] for row in table] == [str(row["pictures"]) for row in rows]
    assert [(row["day"], row["key_id"], row["quality"]) for row in table] == [
        (row["day"], row["key_id"], row["quality"]) for row in rows
    ]


def test_a_tenant_sees_only_its_own_usage(http: FlaskClient, client: Client) -> None:
    fill(client)
    for tenant in (ACME, GLOBEX):
        _, fields = a_key(client, tenant, Scope.ADMIN)
        for query in ({}, {"tenant": tenant}, {"format": "csv"}):
            text = http.get("/v1/usage", query_string={**MONTH, "group_by": EACH, **query}, headers=fields).text
            assert (ACME in text, GLOBEX in text) == (tenant == ACME, tenant == GLOBEX)
        other = GLOBEX if tenant == ACME else ACME
        for query in ({"tenant": other}, {"all_tenants": "true"}, {"tenant": "nobody"}):
            answer = http.get("/v1/usage", query_string={**MONTH, **query}, headers=fields)
            assert (answer.status_code, answer.get_json()["code"]) == (403, "missing_scope")


def test_an_operator_names_a_tenant_or_asks_for_all(http: FlaskClient, client: Client) -> None:
    fill(client)
    _, fields = a_key(client, TenantId("platform"), Scope.READ, Scope.OPERATOR)
    assert read(http, fields) == []
    assert [row["pictures"] for row in read(http, fields, tenant="globex", group_by="")] == [16]
    by_tenant = read(http, fields, all_tenants="true", group_by="tenant,key")
    assert [(row["tenant"], row["key_id"], row["pictures"]) for row in by_tenant] == [
        ("acme", "aaaaaaaa", 3),
        ("acme", "bbbbbbbb", 12),
        ("globex", "cccccccc", 16),
    ]
    (whole,) = read(http, fields, all_tenants="true", group_by="")
    assert (whole["tenant"], whole["pictures"]) == (None, 31)
    both = {"all_tenants": "true", "tenant": "acme"}
    assert http.get("/v1/usage", query_string=both, headers=fields).status_code == 400


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-02-30"}, "from"),
        ({"to": "2026-W01-1"}, "to"),
        ({"from": "2026-02-02", "to": "2026-02-01"}, "from"),
        ({"group_by": "prompt"}, "group_by"),
        ({"format": "xml"}, "format"),
        ({"limit": "0"}, "limit"),
        ({"after": "x"}, "after"),
        ({"tenant": "A B"}, "tenant"),
        ({"color": "red"}, "color"),
    ],
)
def test_a_wrong_query_is_refused_by_the_name_of_its_field(
    http: FlaskClient, query: dict[str, str], field: str
) -> None:
    answer = http.get("/v1/usage", query_string=query)
    assert answer.status_code == 400, answer.text
    found = answer.get_json()
    assert found["field"] == field
    assert "since" not in answer.text
