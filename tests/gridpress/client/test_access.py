"""Both clients manage API keys, limits and webhook endpoints at the real API, each for its own tenant alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gridpress.client import AccessDenied, Conflict, InvalidRequest, LimitReached, NotFound, Scope
from shared.ids import TenantId
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client as Store
from tests.gridpress.client.blocking import Faulty
from tests.gridpress.client.conftest import Make
from tests.gridpress.client.test_service import Lost

ACME, GLOBEX = TenantId("acme"), TenantId("globex")


@pytest.fixture
def acme(connect: Make, url: str, client: Store) -> Any:
    return connect(url, api_key=KeyStore(client).create(ACME, [Scope.ADMIN])[1])


@pytest.fixture
def globex(connect: Make, url: str, client: Store) -> Any:
    return connect(url, api_key=KeyStore(client).create(GLOBEX, [Scope.ADMIN])[1])


@pytest.fixture
def operator(connect: Make, url: str, client: Store) -> Any:
    return connect(url, api_key=KeyStore(client).create(TenantId("ops"), [Scope.ADMIN, Scope.OPERATOR])[1])


def test_a_key_is_created_used_changed_and_revoked(acme: Any, connect: Make, url: str) -> None:
    ends_at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    made = acme.keys.create(
        name="the shop", scopes=["render", Scope.READ], networks=["127.0.0.0/8"], expires_at=ends_at
    )
    assert (made.tenant, made.name, made.scopes, made.networks) == (
        "acme",
        "the shop",
        ["read", "render"],
        ["127.0.0.0/8"],
    )
    assert (made.expires_at, made.models, made.status) == (ends_at, None, "active")
    theirs = connect(url, api_key=made.key)
    assert theirs.submit("a fox", size="256x256").prompt == "a fox"
    with pytest.raises(AccessDenied):
        theirs.keys.create()
    changed = acme.keys.change(made.id, networks=None, name="a shop")
    assert (changed.networks, changed.name, changed.expires_at) == (None, "a shop", ends_at)
    assert acme.keys.get(made.id) == changed
    assert acme.keys.revoke(made.id).status == acme.keys.revoke(made.id).status == "revoked"
    with pytest.raises(AccessDenied):
        list(theirs.jobs())
    with pytest.raises(Conflict):
        acme.keys.change(made.id, name="again")


def test_a_key_is_rotated_with_an_overlap(acme: Any, connect: Make, url: str) -> None:
    old = acme.keys.create(scopes=[Scope.READ])
    new = acme.keys.rotate(old.id, overlap_s=3600)
    assert (new.scopes, acme.keys.get(old.id).replaced_by) == ([Scope.READ], new.id)
    for key in (old.key, new.key):
        assert connect(url, api_key=key).limits().tenant == "acme"
    with pytest.raises(Conflict) as raised:
        acme.keys.rotate(old.id)
    assert raised.value.code == "key_ended"


def test_keys_are_listed_page_by_page(acme: Any, globex: Any, operator: Any) -> None:
    ids = [acme.keys.create(name=str(number)).id for number in range(25)][::-1]
    assert [key.id for key in acme.keys.list()][:25] == ids
    assert ids[0] not in {key.id for key in globex.keys.list()}
    assert [key.id for key in operator.keys.list(tenant="acme")][:25] == ids
    assert {key.tenant for key in operator.keys.list(all_tenants=True)} == {"acme", "globex", "ops"}
    with pytest.raises(AccessDenied):
        list(globex.keys.list(tenant="acme"))


def test_a_key_whose_response_was_lost_is_not_created_twice(
    client: Store, connect: Make, url: str, pauses: list[float]
) -> None:
    text = KeyStore(client).create(ACME, [Scope.ADMIN])[1]
    careful = connect(url, api_key=text, transport=Faulty(Lost(1)))
    with pytest.raises(Conflict) as raised:
        careful.keys.create(name="once")
    assert raised.value.code == "key_exists"
    assert [key.name for key in careful.keys.list()].count("once") == 1


def test_nobody_reaches_the_keys_limits_and_endpoints_of_others(acme: Any, globex: Any) -> None:
    key = acme.keys.create()
    endpoint = acme.webhooks.endpoints.create("https://shop.example/hooks")
    for call in (globex.keys.get, globex.keys.revoke, globex.keys.rotate):
        with pytest.raises(NotFound):
            call(key.id)
    for call in (
        globex.webhooks.endpoints.get,
        globex.webhooks.endpoints.secret,
        globex.webhooks.endpoints.disable,
        globex.webhooks.endpoints.rotate_secret,
        globex.webhooks.endpoints.delete,
    ):
        with pytest.raises(NotFound):
            call(endpoint.id)
    assert list(globex.webhooks.endpoints.list()) == []
    with pytest.raises(NotFound):
        globex.tenants.limits("acme")
    with pytest.raises((NotFound, AccessDenied)):
        globex.tenants.set_limits("acme", streams=9)
    assert (acme.keys.get(key.id).status, acme.tenants.limits("acme").streams) == ("active", None)
    assert acme.webhooks.endpoints.get(endpoint.id).status == "enabled"


def test_an_operator_sets_limits_and_the_tenant_reads_what_is_left(acme: Any, operator: Any) -> None:
    found = operator.tenants.set_limits("acme", queued_renders=2, stored_bytes=1000)
    assert (found.tenant, found.queued_renders, found.stored_bytes, found.weight) == ("acme", 2, 1000, None)
    acme.submit("a fox", size="256x256")
    left = acme.limits()
    assert (left.tenant, left.queued_renders.remaining, left.stored_bytes.remaining) == ("acme", 1, 1000)
    with pytest.raises(LimitReached):
        acme.submit("a fox", n=3)
    assert operator.tenants.set_limits("acme", queued_renders=None).queued_renders is None
    assert operator.tenants.limits("acme") == acme.tenants.limits("acme")
    with pytest.raises(AccessDenied):
        acme.tenants.set_limits("acme", stored_bytes=None)
    with pytest.raises(InvalidRequest) as raised:
        operator.tenants.set_limits("acme", streams=0)
    assert [field.field for field in raised.value.fields] == ["streams"]


def test_a_webhook_endpoint_from_its_creation_to_its_end(acme: Any) -> None:
    endpoints = acme.webhooks.endpoints
    made = endpoints.create(
        "https://shop.example/hooks", events=["job.succeeded"], payload="thin", headers={"X-Shop": "1"}, description="a"
    )
    assert (made.url, made.events, made.payload, made.header_names) == (
        "https://shop.example/hooks",
        ["job.succeeded"],
        "thin",
        ["X-Shop"],
    )
    assert endpoints.secret(made.id) == made.secret
    other = endpoints.create("https://b.example/", secret="whsec_" + "dGhlIHRlbmFudCdz" * 3)
    assert [each.id for each in endpoints.list()] == [other.id, made.id]
    changed = endpoints.change(made.id, url="https://new.example/", events=None)
    assert (changed.url, changed.payload, len(changed.events) > 1) == ("https://new.example/", "thin", True)
    assert endpoints.disable(made.id).status == "disabled"
    assert endpoints.enable(made.id).status == "enabled"
    rotated = endpoints.rotate_secret(made.id)
    assert rotated.secret != made.secret
    assert endpoints.get(made.id).old_secret_ends_at
    endpoints.delete(made.id)
    with pytest.raises(NotFound):
        endpoints.get(made.id)
    with pytest.raises(InvalidRequest):
        endpoints.create("no url")


def test_tenants_are_listed_for_operators_alone(acme: Any, operator: Any, client: Store) -> None:
    names = [f"shop-{number:02}" for number in range(25)]
    for name in names:
        KeyStore(client).create(TenantId(name), [Scope.READ])
    found = list(operator.tenants.list())
    assert [tenant.id for tenant in found] == ["acme", "default", "ops", *names]
    assert [tenant.num_keys for tenant in found[:3]] == [1, 0, 1]
    with pytest.raises(AccessDenied):
        list(acme.tenants.list())
