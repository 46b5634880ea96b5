"""A tenant whose budget of the month is used up gets no new work; others do."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.access.keys import Scope
from shared.access.limits import TenantLimits
from shared.errors import TenantLimitReached
from shared.ids import TenantId, new_job_id
from shared.jobs.spec import Quality
from shared.jobs.usage import Amounts, Used
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import LeaseStore
from tests.shared.store.builders import RULES, a_spec
from tests.shared.store.usage import count, decoding, finish

ACME, GLOBEX = TenantId("acme"), TenantId("globex")
SMALL = {"prompt": "a", "size": "256x256"}


def fields(client: Client, tenant: TenantId, *scopes: Scope) -> dict[str, str]:
    return {"Authorization": f"Bearer {KeyStore(client).create(tenant, scopes or [Scope.RENDER, Scope.READ])[1]}"}


def use(client: Client, amounts: Amounts, moment: datetime) -> None:
    count(client, Used("", Quality.EXACT, amounts), ACME, int(moment.timestamp() * 1000))


def ask(http: FlaskClient, sent: dict[str, str], n: int = 1) -> Any:
    return http.post("/v1/jobs", json={**SMALL, "n": n}, headers=sent)


def test_work_over_the_budget_of_pictures_is_refused_until_it_refills(http: FlaskClient, client: Client) -> None:
    KeyStore(client).set_limits(ACME, TenantLimits(pictures_per_month=5))
    acme, globex = fields(client, ACME), fields(client, GLOBEX)
    assert ask(http, acme, n=2).status_code == 202
    leases = LeaseStore(client, RULES)
    finish(leases, decoding(leases))
    refused = ask(http, acme, n=4)
    assert (refused.status_code, refused.get_json()["code"]) == (429, "tenant_limit_reached")
    assert "2 of the 5 pictures of this month" in refused.get_json()["detail"]
    assert 0 < int(refused.headers["Retry-After"]) <= 31 * 24 * 3600
    assert ask(http, acme, n=3).status_code == 202
    assert ask(http, acme).status_code == 429
    assert ask(http, globex, n=4).status_code == 202
    assert ask(http, acme, n=6).headers.get("Retry-After") is None
    budget = http.get("/v1/limits", headers=acme).get_json()["pictures_per_month"]
    assert (budget["limit"], budget["used"], budget["remaining"]) == (5, 5, 0)
    assert datetime.fromisoformat(budget["refills_at"]) > datetime.now(UTC)
    other = http.get("/v1/limits", headers=globex).get_json()["pictures_per_month"]
    assert (other["limit"], other["used"], other["remaining"]) == (None, 4, None)


def test_used_up_device_seconds_refuse_all_work(http: FlaskClient, client: Client) -> None:
    KeyStore(client).set_limits(ACME, TenantLimits(device_seconds_per_month=60))
    acme, now = fields(client, ACME), datetime.now(UTC)
    use(client, Amounts(1, ar_device_ms=20_000, dit_device_ms=39_500), now)
    assert ask(http, acme).status_code == 202
    assert http.get("/v1/limits", headers=acme).get_json()["device_seconds_per_month"]["remaining"] == 0
    use(client, Amounts(1, dit_device_ms=500), now)
    refused = ask(http, acme)
    assert (refused.status_code, "60 of its 60 device seconds" in refused.get_json()["detail"]) == (429, True)


def test_what_was_used_in_earlier_months_does_not_count(http: FlaskClient, client: Client) -> None:
    KeyStore(client).set_limits(ACME, TenantLimits(pictures_per_month=1, device_seconds_per_month=1))
    last_month = datetime.now(UTC).replace(day=1) - timedelta(days=1)
    use(client, Amounts(100, dit_device_ms=10**9), last_month)
    assert ask(http, fields(client, ACME)).status_code == 202


def test_an_operator_sets_and_removes_a_budget(http: FlaskClient, client: Client) -> None:
    operator = fields(client, TenantId("platform"), Scope.ADMIN, Scope.OPERATOR)
    acme, path = fields(client, ACME), "/v1/tenants/acme/limits"
    use(client, Amounts(10), datetime.now(UTC))
    assert http.patch(path, json={"pictures_per_month": 10}, headers=operator).get_json()["pictures_per_month"] == 10
    assert ask(http, acme).status_code == 429
    assert http.patch(path, json={"pictures_per_month": 11}, headers=operator).status_code == 200
    assert ask(http, acme).status_code == 202
    assert ask(http, acme).status_code == 429
    assert http.patch(path, json={"pictures_per_month": None}, headers=operator).status_code == 200
    assert ask(http, acme).status_code == 202
    for wrong in (0, -1, 1.5, "many"):
        answer = http.patch(path, json={"pictures_per_month": wrong}, headers=operator)
        assert (answer.status_code, answer.get_json()["field"]) == (400, "pictures_per_month")
    own = http.patch(path, json={"pictures_per_month": 99}, headers=fields(client, ACME, Scope.ADMIN))
    assert own.status_code == 403


def test_the_script_that_creates_a_job_checks_the_budget_itself(client: Client, store: JobStore) -> None:
    KeyStore(client).set_limits(ACME, TenantLimits(pictures_per_month=2))
    store.submit(new_job_id(), a_spec(2, tenant=ACME))
    with pytest.raises(TenantLimitReached, match="2 of the 2 pictures"):
        store.submit(new_job_id(), a_spec(tenant=ACME))
    assert store.load(ACME).queued == 2
