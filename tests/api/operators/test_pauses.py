"""Pause and resume over HTTP: who may, what callers and operators see."""

import pytest
from flask.testing import FlaskClient

from shared.access.rights import Scope
from shared.ids import TenantId
from shared.jobs.states import Stage
from shared.store.core.connect import Client
from shared.store.renders.leases import LeaseStore
from tests.api.access.keyed import GLOBEX, Keyed
from tests.api.conftest import CountedHints
from tests.shared.store.builders import REVISION, RULES, WORKER_ID

ADMIN, OPERATOR, READ, RENDER = Scope.ADMIN, Scope.OPERATOR, Scope.READ, Scope.RENDER
SMALL = {"prompt": "a", "size": "256x256"}
THINGS = ("stage/dit", "class/batch", "tenant/acme", "revision/4f3a2b1c0d9e")


@pytest.fixture
def operator(http: FlaskClient, client: Client) -> Keyed:
    return Keyed(http, client, ADMIN, OPERATOR, tenant=TenantId("house"))


@pytest.fixture
def acme(http: FlaskClient, client: Client) -> Keyed:
    return Keyed(http, client, ADMIN)


def pause(who: Keyed, what: str, reason: str = "") -> None:
    assert who.send("PUT", f"/v1/pauses/{what}", json={"reason": reason}).status_code == 200


@pytest.mark.parametrize("what", THINGS)
def test_everything_is_paused_listed_and_resumed(operator: Keyed, hints: CountedHints, what: str) -> None:
    made = operator.send("PUT", f"/v1/pauses/{what}", json={"reason": "until noon"}).get_json()
    assert (f"{made['kind']}/{made['name']}", made["reason"]) == (what, "until noon")
    assert made["key_id"] == operator.key.key_id
    assert operator.get("/v1/pauses") == {"data": [made]}
    assert operator.get("/readyz")["paused"] == [what.replace("/", " ")]
    assert operator.send("DELETE", f"/v1/pauses/{what}").status_code == 204
    assert operator.get("/v1/pauses") == {"data": []}
    assert operator.refusal("DELETE", f"/v1/pauses/{what}")[:2] == (404, "pause_not_found")
    assert len(hints.sent) == 2


def test_the_body_may_be_left_out(operator: Keyed) -> None:
    assert operator.send("PUT", "/v1/pauses/stage/ar").get_json()["reason"] == ""


@pytest.mark.parametrize(
    ("what", "body", "field"),
    [
        ("colour/red", {}, "kind"),
        ("stage/vae", {}, "name"),
        ("class/high", {}, "name"),
        ("tenant/A%20B", {}, "name"),
        ("revision/a%7Cb", {}, "name"),
        ("stage/ar", {"reason": "r" * 201}, "reason"),
        ("stage/ar", {"reason": "two\nlines"}, "reason"),
        ("stage/ar", {"why": "x"}, "why"),
    ],
)
def test_a_wrong_request_names_the_field_and_pauses_nothing(
    operator: Keyed, what: str, body: dict[str, str], field: str
) -> None:
    assert operator.refusal("PUT", f"/v1/pauses/{what}", json=body) == (400, "invalid_request", field)
    assert operator.get("/v1/pauses") == {"data": []}


@pytest.mark.parametrize("scopes", [(READ, RENDER), (ADMIN,), (OPERATOR,)])
@pytest.mark.parametrize("what", THINGS)
def test_to_pause_needs_admin_and_operator(
    http: FlaskClient, client: Client, operator: Keyed, scopes: tuple[Scope, ...], what: str
) -> None:
    """Also for one's own tenant: a pause is an act of the operator."""
    pause(operator, what)
    who = Keyed(http, client, *scopes)
    for method in ("PUT", "DELETE"):
        assert who.refusal(method, f"/v1/pauses/{what}")[:2] == (403, "missing_scope")
    assert len(operator.get("/v1/pauses")["data"]) == 1
    answer = who.send("GET", "/v1/pauses")
    assert answer.status_code == (200 if OPERATOR in scopes else 403)


def test_a_tenant_learns_of_its_own_pause_only(http: FlaskClient, client: Client, operator: Keyed, acme: Keyed) -> None:
    globex = Keyed(http, client, ADMIN, tenant=GLOBEX)
    jobs = {who: who.post("/v1/jobs", 202, json=SMALL)["id"] for who in (acme, globex)}
    pause(operator, "tenant/acme", "unpaid")
    mine, others = (who.get(f"/v1/jobs/{job}") for who, job in jobs.items())
    assert mine["paused"] == {
        "kind": "tenant", "name": "acme", "reason": "unpaid", "since": operator.get("/v1/pauses")["data"][0]["since"]
    }  # fmt: skip
    assert (mine["status"], others["paused"]) == ("queued", None)
    assert "acme" not in globex.send("GET", f"/v1/jobs/{jobs[globex]}").text
    assert (acme.get("/readyz")["paused"], http.get("/readyz").get_json()["paused"]) == ([], [])
    assert acme.post("/v1/jobs/estimate", json=SMALL)["paused"]["kind"] == "tenant"
    assert globex.post("/v1/jobs/estimate", json=SMALL)["paused"] is None


@pytest.mark.parametrize(("what", "priority"), [("stage/ar", "interactive"), ("class/batch", "batch")])
def test_new_work_is_accepted_and_waits(operator: Keyed, acme: Keyed, client: Client, what: str, priority: str) -> None:
    pause(operator, what)
    asked = {**SMALL, "priority": priority}
    assert acme.post("/v1/jobs/estimate", json=asked)["paused"]["name"] == what.split("/")[1]
    job = acme.post("/v1/jobs", 202, json=asked)
    leases = LeaseStore(client, RULES)
    assert leases.claim(Stage.AR, REVISION, WORKER_ID) is None
    assert acme.get(f"/v1/jobs/{job['id']}")["paused"]["kind"] == what.split("/", maxsplit=1)[0]
    operator.send("DELETE", f"/v1/pauses/{what}")
    claimed = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claimed
    assert claimed.job_id == job["id"]
    assert acme.get(f"/v1/jobs/{job['id']}")["paused"] is None


def test_pauses_are_acts(operator: Keyed) -> None:
    pause(operator, "class/batch", "until noon")
    operator.send("DELETE", "/v1/pauses/class/batch")
    first, second = operator.get("/v1/audit")["data"][::-1]
    assert (first["act"], first["path"]) == ("PUT /v1/pauses/{kind}/{name}", "/v1/pauses/class/batch")
    assert (first["facts"], second["status"]) == ({"reason": "until noon"}, 204)
