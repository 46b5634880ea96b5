"""A tenant decides how long its jobs and batches are kept, and an operator decides for every tenant."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.services import Services
from shared.access.keys import Scope
from shared.ids import TenantId
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from tests.workers.batches.shop import a_shop, some_lines

PATH = "/v1/tenants/acme/retention"
MONTH_S = 30 * 24 * 3600


@pytest.fixture
def fields(client: Client) -> dict[str, dict[str, str]]:
    """The header fields of callers."""
    keys = KeyStore(client)
    callers = {
        "admin": ("acme", [Scope.ADMIN]),
        "reader": ("acme", [Scope.READ, Scope.RENDER]),
        "other": ("globex", [Scope.ADMIN]),
        "operator": ("globex", [Scope.ADMIN, Scope.OPERATOR]),
    }
    made = {name: keys.create(TenantId(tenant), scopes)[1] for name, (tenant, scopes) in callers.items()}
    return {name: {"Authorization": f"Bearer {key}"} for name, key in made.items()}


@pytest.fixture
def http(house: Services) -> FlaskClient:
    return create_app(house).test_client()


def put(http: FlaskClient, headers: dict[str, str], seconds: Any) -> Any:
    return http.put(PATH, json={"delete_after_s": seconds}, headers=headers)


def test_a_tenants_default_counts_for_its_new_jobs_alone(http: FlaskClient, fields: dict[str, dict[str, str]]) -> None:
    before = http.post("/v1/jobs", json={"prompt": "a"}, headers=fields["admin"]).get_json()
    assert http.get(PATH, headers=fields["reader"]).get_json() == {"tenant": "acme", "delete_after_s": None}
    assert put(http, fields["admin"], MONTH_S).get_json() == {"tenant": "acme", "delete_after_s": MONTH_S}
    assert http.get(PATH, headers=fields["reader"]).get_json()["delete_after_s"] == MONTH_S

    def kept_s(caller: str, **body: Any) -> int | None:
        job = http.post("/v1/jobs", json={"prompt": "a", **body}, headers=fields[caller]).get_json()
        read = http.get(f"/v1/jobs/{job['id']}", headers=fields[caller]).get_json()
        assert read["delete_after_s"] == job["delete_after_s"]
        found: int | None = read["delete_after_s"]
        return found

    assert (kept_s("admin"), kept_s("reader", delete_after_s=90), kept_s("other")) == (MONTH_S, 90, None)
    assert http.get(f"/v1/jobs/{before['id']}", headers=fields["admin"]).get_json()["delete_after_s"] is None
    assert put(http, fields["admin"], None).get_json()["delete_after_s"] is None
    assert kept_s("admin") is None


def test_a_tenants_default_counts_for_batches_and_not_for_their_lines(house: Services, client: Client) -> None:
    shop = a_shop(house, client)
    assert shop.http.put("/v1/tenants/default/retention", json={"delete_after_s": MONTH_S}).status_code == 200
    batch = shop.run(shop.create(some_lines(2)))
    assert batch["delete_after_s"] == MONTH_S
    assert client.zscore("gridpress:batch_expiries", batch["id"])
    jobs = shop.http.get(f"/v1/jobs?batch={batch['id']}").get_json()["data"]
    assert [job["delete_after_s"] for job in jobs] == [None, None]
    assert client.exists("gridpress:job_expiries") == 0
    own = shop.create(some_lines(1), delete_after_s=7200)
    assert own["delete_after_s"] == 7200


def test_only_its_admin_and_an_operator_set_it(http: FlaskClient, fields: dict[str, dict[str, str]]) -> None:
    assert put(http, fields["reader"], MONTH_S).get_json()["code"] == "missing_scope"
    for method in ("GET", "PUT"):
        refused = http.open(PATH, method=method, json={"delete_after_s": 1e9}, headers=fields["other"])
        assert (refused.status_code, refused.get_json()["code"]) == (404, "tenant_not_found")
    assert http.get(PATH, headers=fields["admin"]).get_json()["delete_after_s"] is None
    assert put(http, fields["operator"], MONTH_S).status_code == 200
    assert http.get(PATH, headers=fields["admin"]).get_json()["delete_after_s"] == MONTH_S


@pytest.mark.parametrize("name", ["A", "a:b", "-a", "a" * 64, "%20"])
def test_an_operator_is_told_of_a_name_that_no_tenant_has(
    http: FlaskClient, fields: dict[str, dict[str, str]], name: str
) -> None:
    answer = http.get(f"/v1/tenants/{name}/retention", headers=fields["operator"])
    assert (answer.status_code, answer.get_json()["code"]) == (404, "tenant_not_found")


@pytest.mark.parametrize("value", [0, 3599, "soon", 1.5, 366 * 24 * 3600 + 1])
def test_a_time_that_makes_no_sense_is_refused_by_name(
    http: FlaskClient, fields: dict[str, dict[str, str]], value: object
) -> None:
    answer = put(http, fields["admin"], value)
    assert (answer.status_code, answer.get_json()["field"]) == (400, "delete_after_s")
    missing = http.put(PATH, json={}, headers=fields["admin"])
    assert (missing.status_code, missing.get_json()["field"]) == (400, "delete_after_s")
