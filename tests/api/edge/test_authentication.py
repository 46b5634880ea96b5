"""Keys and limits over HTTP: who may call, for what, and how much."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.access.keys import Scope
from shared.access.limits import TenantLimits
from shared.ids import TenantId
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from tests.api.conftest import with_settings

ACME = TenantId("acme")
PIXELS = 256 * 256
SMALL = {"prompt": "a", "size": "256x256"}

Bearer = Callable[..., dict[str, str]]


@pytest.fixture
def bearer(client: Client) -> Bearer:
    """Makes a key; answers the header fields that send it."""

    def make(*scopes: Scope, **limits: int) -> dict[str, str]:
        keys = KeyStore(client)
        _, text = keys.create(ACME, scopes or [Scope.ADMIN])
        keys.set_limits(ACME, TenantLimits(**limits))
        return {"Authorization": f"Bearer {text}"}

    return make


@pytest.mark.parametrize("fields", [{}, {"Authorization": "Bearer anything"}, {"Authorization": "Basic eDp5"}])
def test_before_the_first_key_anybody_may_call(http: FlaskClient, fields: dict[str, str]) -> None:
    assert http.post("/v1/jobs", json=SMALL, headers=fields).status_code == 202
    assert http.get("/readyz").get_json()["access"] == "open"


def test_beyond_loopback_nobody_may_call_without_a_key_even_before_the_first(house: Services) -> None:
    assert with_settings(house, host="0.0.0.0").get("/v1/jobs").status_code == 401


@pytest.mark.parametrize("sent", ["", "Bearer", "Bearer gp_", "Basic eDp5", "gp_aaaaaaaa_" + "a" * 52, "Bearer \xe9"])
def test_after_it_a_request_without_a_key_is_refused(http: FlaskClient, bearer: Bearer, sent: str) -> None:
    bearer()
    answer = http.get("/v1/jobs", headers={"Authorization": sent} if sent else {})
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert http.get("/readyz").get_json()["access"] == "keys"


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/openapi.json", "/v1/webhooks/public_key", "/v1/webhooks/jwks.json"]
)
def test_health_the_document_and_public_keys_take_no_key(http: FlaskClient, bearer: Bearer, path: str) -> None:
    bearer()
    assert http.get(path).status_code == 200


def test_what_is_no_route_is_not_told_to_strangers(http: FlaskClient, bearer: Bearer) -> None:
    fields = bearer(Scope.READ)
    assert http.get("/nothing").status_code == 401
    assert http.get("/nothing", headers=fields).status_code == 404


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
def test_a_key_opens_whatever_the_case_of_its_scheme(http: FlaskClient, bearer: Bearer, scheme: str) -> None:
    text = bearer()["Authorization"].removeprefix("Bearer ")
    assert http.get("/v1/jobs", headers={"Authorization": f"{scheme} {text}"}).status_code == 200


def test_a_wrong_secret_under_a_known_id_is_refused_and_never_logged(
    http: FlaskClient, bearer: Bearer, capfd: pytest.CaptureFixture[str]
) -> None:
    text = bearer()["Authorization"]
    wrong = text[:-4] + ("bbbb" if text.endswith("aaaa") else "aaaa")
    for sent in (text, wrong, text):
        answer = http.get("/v1/jobs", headers={"Authorization": sent})
        assert answer.status_code == (401 if sent == wrong else 200)
        assert sent.split()[1] not in answer.text
    assert "gp_" not in "".join(capfd.readouterr())


def test_a_revoked_key_is_refused_and_opens_nothing_to_others(
    http: FlaskClient, bearer: Bearer, client: Client
) -> None:
    fields = bearer()
    [key] = KeyStore(client).all_keys()
    KeyStore(client).revoke(key.key_id)
    assert [http.get("/v1/jobs", headers=sent).status_code for sent in (fields, {})] == [401, 401]


READ, RENDER, ADMIN = [Scope.READ], [Scope.RENDER], [Scope.ADMIN]


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        ("GET", "/v1/jobs", READ),
        ("GET", "/v1/jobs/x/events", READ),
        ("POST", "/v1/jobs", RENDER),
        ("POST", "/v1/jobs/x/cancel", RENDER),
        ("GET", "/v1/dead_letters", ADMIN),
        ("POST", "/v1/dead_letters/x/requeue", ADMIN),
        ("GET", "/v1/webhooks/secret", ADMIN),
        ("GET", "/v1/webhook_endpoints", READ),
        ("GET", "/v1/webhook_endpoints/x/attempts", READ),
        ("GET", "/v1/webhook_endpoints/x/secret", ADMIN),
        ("POST", "/v1/webhook_endpoints", ADMIN),
        ("PATCH", "/v1/webhook_endpoints/x", ADMIN),
        ("DELETE", "/v1/webhook_endpoints/x", ADMIN),
        ("POST", "/v1/webhook_endpoints/x/rotate_secret", ADMIN),
        ("POST", "/v1/webhook_messages/x/resend", ADMIN),
        ("GET", "/v1/jobs/x/webhook_attempts", READ),
    ],
)
def test_a_key_is_for_its_scopes_alone(
    http: FlaskClient, bearer: Bearer, method: str, path: str, wanted: Sequence[Scope]
) -> None:
    for scope in Scope:
        answer = http.open(path, method=method, headers=bearer(scope))
        is_refused = answer.status_code == 403
        assert is_refused == (scope not in wanted and scope is not Scope.ADMIN)
        if is_refused:
            assert answer.get_json()["code"] == "missing_scope"
            assert f'scope="{wanted[0]}"' in answer.headers["WWW-Authenticate"]


def test_the_document_says_which_scope_every_route_takes(http: FlaskClient) -> None:
    document = http.get("/openapi.json").get_json()
    [scheme] = document["components"]["securitySchemes"]
    paths = document["paths"]
    for operation, scope in ((paths["/v1/jobs"]["post"], "render"), (paths["/v1/dead_letters"]["get"], "admin")):
        assert operation["security"] == [{scheme: []}]
        assert operation["description"].endswith(f"An API key needs the scope `{scope}`.")
    assert paths["/healthz"]["get"]["security"] == []
    assert "API key needs" not in paths["/healthz"]["get"]["description"]
    guarded = [each for item in paths.values() for each in item.values() if each["security"]]
    assert all({"401", "403", "429"} <= each["responses"].keys() for each in guarded)


def test_requests_over_the_limit_are_refused_before_their_route(http: FlaskClient, bearer: Bearer) -> None:
    fields = bearer(requests_per_minute=2)
    answers = [http.get("/v1/jobs/nothing", headers=fields) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404, 404, 429]
    assert [answer.headers["RateLimit"].split(";")[1] for answer in answers] == ["r=1", "r=0", "r=0"]
    refused = answers[-1]
    assert (refused.get_json()["code"], refused.get_json()["retryable"]) == ("tenant_limit_reached", True)
    assert int(refused.headers["Retry-After"]) * 1000 >= int(refused.headers["retry-after-ms"]) > 0


def test_without_a_limit_no_answer_speaks_of_one(http: FlaskClient, bearer: Bearer) -> None:
    assert not [name for name, _ in http.get("/v1/jobs", headers=bearer()).headers if "ratelimit" in name.lower()]


def test_pixels_are_spent_by_what_is_accepted_alone(http: FlaskClient, bearer: Bearer) -> None:
    fields = bearer(pixels_per_day=3 * PIXELS)
    bodies = [{**SMALL, "n": 2}, {**SMALL, "n": 2}, {**SMALL, "n": 0}, SMALL, SMALL]
    answers = [http.post("/v1/jobs", json=body, headers=fields) for body in bodies]
    assert [answer.status_code for answer in answers] == [202, 429, 400, 202, 429]
    assert 'qu="pixels"' in answers[0].headers["RateLimit-Policy"]
    assert len(http.get("/v1/jobs", headers=fields).get_json()["data"]) == 2


@pytest.mark.parametrize("limits", [{"pixels_per_day": PIXELS}, {"queued_renders": 1}])
def test_what_can_never_fit_is_not_to_be_tried_again(http: FlaskClient, bearer: Bearer, limits: dict[str, int]) -> None:
    answer = http.post("/v1/jobs", json={**SMALL, "n": 2}, headers=bearer(**limits))
    assert (answer.status_code, answer.get_json()["retryable"]) == (429, False)
    assert "Retry-After" not in answer.headers
    assert answer.headers["x-should-retry"] == "false"


def test_a_full_queue_of_the_tenant_costs_it_no_pixels(http: FlaskClient, bearer: Bearer) -> None:
    fields = bearer(queued_renders=1, pixels_per_day=2 * PIXELS)
    first, second = (http.post("/v1/jobs", json=SMALL, headers=fields) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 429)
    assert int(second.headers["Retry-After"]) > 0
    assert http.post(f"/v1/jobs/{first.get_json()['id']}/cancel", headers=fields).status_code == 200
    assert http.post("/v1/jobs", json=SMALL, headers=fields).status_code == 202


def test_a_queue_that_filled_up_meanwhile_is_refused_by_the_store(
    http: FlaskClient, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = bearer(queued_renders=1)
    load = JobStore.load
    monkeypatch.setattr(JobStore, "load", lambda store, tenant: replace(load(store, tenant), queued=0))
    statuses = [http.post("/v1/jobs", json=SMALL, headers=fields).status_code for _ in range(2)]
    assert statuses == [202, 429]
