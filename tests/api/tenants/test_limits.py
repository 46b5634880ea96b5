"""An operator reads and changes the limits of every tenant; a tenant only reads its own."""

import dataclasses
from typing import Any

import pytest
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from shared.access.limits import TenantLimits
from shared.access.rights import Scope
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from tests.api.access.keyed import ACME, GLOBEX, Keyed

PATH = "/v1/tenants/acme/limits"
NAMES = [limit.name for limit in dataclasses.fields(TenantLimits)]
NONE: dict[str, Any] = {"tenant": "acme", **dict.fromkeys(NAMES)}


@pytest.fixture
def operator(http: FlaskClient, client: Client) -> Keyed:
    return Keyed(http, client, Scope.ADMIN, Scope.OPERATOR, tenant=GLOBEX)


@pytest.mark.parametrize("name", NAMES)
def test_every_limit_is_set_and_removed_alone(operator: Keyed, client: Client, name: str) -> None:
    other = "weight" if name != "weight" else "streams"
    KeyStore(client).set_limits(ACME, TenantLimits(**{other: 7}))
    assert operator.patch(PATH, json={name: 3}) == {**NONE, other: 7, name: 3}
    assert KeyStore(client).limits(ACME) == TenantLimits(**{other: 7, name: 3})
    assert operator.get(PATH) == {**NONE, other: 7, name: 3}
    assert operator.patch(PATH, json={}) == {**NONE, other: 7, name: 3}
    assert operator.patch(PATH, json={name: None}) == {**NONE, other: 7}
    assert KeyStore(client).limits(GLOBEX) == TenantLimits()


def test_a_changed_limit_counts_for_the_next_request(http: FlaskClient, client: Client, operator: Keyed) -> None:
    own = Keyed(http, client)
    own.post("/v1/jobs", 202, json={"prompt": "a"})
    operator.patch(PATH, json={"queued_renders": 1})
    assert own.refusal("POST", "/v1/jobs", json={"prompt": "a"})[:2] == (429, "tenant_limit_reached")
    assert own.get("/v1/limits")["queued_renders"] == {"limit": 1, "used": 1, "remaining": 0}
    operator.patch(PATH, json={"queued_renders": None})
    own.post("/v1/jobs", 202, json={"prompt": "a"})


@pytest.mark.attack
@pytest.mark.parametrize("scopes", [[scope] for scope in Scope] + [[Scope.READ, Scope.OPERATOR]])
@pytest.mark.parametrize("tenant", [ACME, GLOBEX])
def test_nobody_but_an_operator_with_admin_changes_limits(
    http: FlaskClient, client: Client, scopes: list[Scope], tenant: Any
) -> None:
    asked = Keyed(http, client, *scopes, tenant=tenant)
    KeyStore(client).set_limits(ACME, TenantLimits(streams=2))
    answer = asked.send("PATCH", PATH, json={"streams": 1000})
    assert answer.status_code in (403, 404), answer.text
    assert KeyStore(client).limits(ACME) == TenantLimits(streams=2)
    may_read = tenant == ACME or Scope.OPERATOR in scopes
    read = asked.send("GET", PATH)
    if Scope.READ in scopes or scopes == [Scope.ADMIN]:
        assert read.status_code == (200 if may_read else 404)
    else:
        assert read.status_code == 403


def test_a_tenants_admin_is_told_which_scope_it_lacks(http: FlaskClient, client: Client) -> None:
    answer = Keyed(http, client, Scope.ADMIN).send("PATCH", PATH, json={"streams": 9})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "missing_scope")
    assert 'scope="operator"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("value", [0, -1, 1.5, "many", True, 2**53 + 1, [1]])
@pytest.mark.parametrize("name", NAMES)
def test_a_value_that_is_no_limit_is_refused_by_name_and_changes_nothing(
    operator: Keyed, client: Client, name: str, value: object
) -> None:
    other = "weight" if name != "weight" else "streams"
    assert operator.refusal("PATCH", PATH, json={other: 5, name: value}) == (400, "invalid_request", name)
    assert KeyStore(client).limits(ACME) == TenantLimits()


def test_a_limit_that_does_not_exist_is_refused_by_name(operator: Keyed) -> None:
    assert operator.refusal("PATCH", PATH, json={"stream": 5}) == (400, "invalid_request", "stream")


@pytest.mark.parametrize("name", ["A", "a:b", "-a", "a" * 64])
def test_a_name_that_no_tenant_has_is_refused(operator: Keyed, name: str) -> None:
    assert operator.refusal("PATCH", f"/v1/tenants/{name}/limits", json={"streams": 5})[:2] == (404, "tenant_not_found")


def test_a_change_is_logged_with_who_made_it_and_what_was_before(operator: Keyed, client: Client) -> None:
    KeyStore(client).set_limits(ACME, TenantLimits(streams=2, weight=3))
    with capture_logs() as logs:
        operator.patch(PATH, json={"streams": 4, "weight": None})
    [told] = [each for each in logs if each["event"] == "limits.changed"]
    assert (told["of_tenant"], told["by_key_id"]) == ("acme", operator.key.key_id)
    assert (told["before"], told["after"]) == ({"streams": 2, "weight": 3}, {"streams": 4, "weight": None})


def test_two_changes_at_once_lose_nothing(client: Client) -> None:
    """Each writes only the limits that it names, whatever it has read before."""
    keys = KeyStore(client)
    keys.change_limits(ACME, {"streams": 1, "weight": 2})
    keys.change_limits(ACME, {"connections": 3, "streams": None})
    assert keys.limits(ACME) == TenantLimits(connections=3, weight=2)


def test_a_limit_of_a_newer_release_is_left_out(client: Client) -> None:
    client.hset("gridpress:limits:acme", mapping={"streams": 4, "words_per_line": 9})
    assert KeyStore(client).limits(ACME) == TenantLimits(streams=4)
