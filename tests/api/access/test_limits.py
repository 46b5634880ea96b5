"""A tenant reads its own limits: what is allowed, what is left, and when it refills."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.access.keys import Scope
from shared.access.limits import TenantLimits
from shared.ids import TenantId
from shared.jobs.states import Stage
from shared.store.access.keys import KeyStore
from shared.store.access.rate_limits import RateLimits
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import LeaseStore
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, submitted

ACME, GLOBEX = TenantId("acme"), TenantId("globex")
PIXELS = 256 * 256
SMALL = {"prompt": "a", "size": "256x256"}


def read(http: FlaskClient, client: Client, tenant: TenantId = ACME, *scopes: Scope) -> dict[str, Any]:
    answer = http.get("/v1/limits", headers=fields(client, tenant, *scopes))
    assert answer.status_code == 200, answer.text
    return dict(answer.get_json())


def fields(client: Client, tenant: TenantId = ACME, *scopes: Scope) -> dict[str, str]:
    return {"Authorization": f"Bearer {KeyStore(client).create(tenant, scopes or [Scope.READ])[1]}"}


def test_an_open_service_has_no_limits_of_a_tenant(http: FlaskClient) -> None:
    found = http.get("/v1/limits").get_json()
    assert (found["tenant"], found["weight"]) == ("default", 1)
    for name in (
        "requests",
        "pixels",
        "queued_renders",
        "concurrent_renders",
        "connections",
        "streams",
        "stored_bytes",
    ):
        assert (found[name]["limit"], found[name]["remaining"]) == (None, None)
    assert found["service"]["n"] == 16


def test_what_is_left_of_a_rate_limit_and_when_it_refills(http: FlaskClient, client: Client) -> None:
    KeyStore(client).set_limits(ACME, TenantLimits(requests_per_minute=10, pixels_per_day=4 * PIXELS, weight=3))
    http.post("/v1/jobs", json=SMALL, headers=fields(client, ACME, Scope.RENDER))
    found = read(http, client)
    requests, pixels = found["requests"], found["pixels"]
    assert (requests["limit"], requests["window_s"], requests["remaining"]) == (10, 60, 8)
    assert (pixels["limit"], pixels["window_s"], pixels["remaining"]) == (4 * PIXELS, 86_400, 3 * PIXELS)
    for each in (requests, pixels):
        assert 0 < each["reset_s"] <= each["full_s"] <= 2 * each["window_s"] + 1
    assert found["weight"] == 3


def test_reading_the_limits_uses_no_pixels_and_one_request(http: FlaskClient, client: Client) -> None:
    KeyStore(client).set_limits(ACME, TenantLimits(requests_per_minute=10, pixels_per_day=PIXELS))
    left = [read(http, client) for _ in range(3)]
    assert [each["requests"]["remaining"] for each in left] == [9, 8, 7]
    assert [each["pixels"]["remaining"] for each in left] == [PIXELS] * 3
    assert left[0]["pixels"]["reset_s"] == left[0]["pixels"]["full_s"] == 0


def test_waiting_and_running_pictures_are_counted(http: FlaskClient, client: Client, store: JobStore) -> None:
    KeyStore(client).set_limits(ACME, TenantLimits(queued_renders=5, concurrent_renders=1))
    for _ in range(3):
        submitted(store, tenant=ACME)
    assert LeaseStore(client, RULES).claim(Stage.AR, REVISION, WORKER_ID)
    found = read(http, client)
    assert found["queued_renders"] == {"limit": 5, "used": 2, "remaining": 3}
    assert found["concurrent_renders"] == {"limit": 1, "used": 1, "remaining": 0}


def test_a_limit_that_was_lowered_leaves_nothing(http: FlaskClient, client: Client, store: JobStore) -> None:
    for _ in range(3):
        submitted(store, tenant=ACME)
    KeyStore(client).set_limits(ACME, TenantLimits(queued_renders=1))
    assert read(http, client)["queued_renders"] == {"limit": 1, "used": 3, "remaining": 0}


@pytest.mark.attack
def test_a_tenant_reads_its_own_limits_alone(http: FlaskClient, client: Client, store: JobStore) -> None:
    KeyStore(client).set_limits(ACME, TenantLimits(requests_per_minute=10, queued_renders=5))
    KeyStore(client).set_limits(GLOBEX, TenantLimits(pixels_per_day=PIXELS))
    submitted(store, tenant=ACME)
    found = read(http, client, GLOBEX)
    assert (found["tenant"], found["requests"]["limit"], found["pixels"]["limit"]) == ("globex", None, PIXELS)
    assert found["queued_renders"] == {"limit": None, "used": 0, "remaining": None}


@pytest.mark.attack
@pytest.mark.parametrize("scope", Scope)
def test_every_key_that_may_read_reads_the_limits(http: FlaskClient, client: Client, scope: Scope) -> None:
    answer = http.get("/v1/limits", headers=fields(client, ACME, scope))
    assert answer.status_code == (200 if scope in (Scope.READ, Scope.ADMIN) else 403)


def test_after_the_clock_was_set_back_the_limit_counts_as_unused(client: Client) -> None:
    limits, store = TenantLimits(requests_per_minute=1), RateLimits(client)
    store.use_request(ACME, limits)
    [name] = client.keys("gridpress:used:*")
    client.expire(name, 10_000)  # ends far too late, as after a clock that was set back
    requests, _ = store.look(ACME, limits)
    assert requests.usage
    assert requests.usage.remaining == 1
