"""Dead letters over HTTP."""

import pytest
from flask.testing import FlaskClient

from shared.access.keys import Scope
from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT, WorkerId
from shared.jobs.job import Job
from shared.jobs.states import Stage
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import LeaseRules, LeaseStore
from tests.api.conftest import CountedHints
from tests.shared.store.builders import REVISION, submitted


@pytest.fixture
def poisoned(client: Client, store: JobStore) -> Job:
    """A job whose one picture killed a worker, and then another at the same step."""
    job = submitted(store)
    dying = LeaseStore(client, LeaseRules(ttl_s=0, prior_ready_limit_min=16))
    for life in range(2):
        assert dying.claim(Stage.AR, REVISION, WorkerId(f"w{life}"))
        UpkeepStore(client).rescue(poison_strikes=1)
    return job


def test_a_dead_letter_is_listed_and_read_with_its_evidence(http: FlaskClient, poisoned: Job) -> None:
    page = http.get("/v1/dead_letters").get_json()
    (letter,) = page["data"]
    assert (page["has_more"], page["next"]) == (False, None)
    assert http.get(f"/v1/dead_letters/{letter['id']}").get_json() == letter
    assert (letter["job_id"], letter["index"], letter["stage"], letter["strikes"]) == (poisoned.job_id, 0, "ar", 1)
    assert [(crash["worker"], crash["was_alone"]) for crash in letter["crashes"]] == [("w0", True), ("w1", True)]
    assert http.get(f"/v1/jobs/{poisoned.job_id}").get_json()["error"]["code"] == "poison"


@pytest.mark.attack
@pytest.mark.parametrize(("scopes", "is_told"), [([Scope.ADMIN], False), ([Scope.ADMIN, Scope.OPERATOR], True)])
def test_what_a_worker_wrote_is_for_operators(
    http: FlaskClient, client: Client, poisoned: Job, scopes: list[Scope], is_told: bool
) -> None:
    assert all(crash["log_lines"] == [] for crash in http.get("/v1/dead_letters").get_json()["data"][0]["crashes"])
    _, text = KeyStore(client).create(DEFAULT_TENANT, scopes)
    for path in ("", f"/{poisoned.renders[0].render_id}"):
        answer = http.get(f"/v1/dead_letters{path}", headers={"Authorization": f"Bearer {text}"}).get_json()
        (letter,) = answer.get("data", [answer])
        assert [crash["log_lines"] is not None for crash in letter["crashes"]] == [is_told] * 2


@pytest.mark.attack
def test_an_operators_key_is_no_admins(http: FlaskClient, client: Client) -> None:
    _, text = KeyStore(client).create(DEFAULT_TENANT, [Scope.OPERATOR])
    headers = {"Authorization": f"Bearer {text}"}
    assert [http.get(path, headers=headers).status_code for path in ("/v1/dead_letters", "/v1/jobs")] == [403, 403]


def test_a_requeued_picture_waits_again_and_its_job_runs(http: FlaskClient, poisoned: Job, hints: CountedHints) -> None:
    answer = http.post(f"/v1/dead_letters/{poisoned.renders[0].render_id}/requeue").get_json()
    assert (answer["id"], answer["status"], answer["images"][0]["status"]) == (poisoned.job_id, "running", "queued")
    assert hints.sent == [Queue.AR]
    assert http.get("/v1/dead_letters").get_json()["data"] == []


def test_a_purged_dead_letter_is_gone(http: FlaskClient, poisoned: Job) -> None:
    letter = f"/v1/dead_letters/{poisoned.renders[0].render_id}"
    assert http.post(f"{letter}/purge").status_code == 204
    assert http.get(letter).get_json()["code"] == "dead_letter_not_found"
    assert http.get(f"/v1/jobs/{poisoned.job_id}").get_json()["status"] == "failed"


@pytest.mark.parametrize(("method", "action"), [("GET", ""), ("POST", "/requeue"), ("POST", "/purge")])
def test_what_is_no_dead_letter_is_not_found(http: FlaskClient, store: JobStore, method: str, action: str) -> None:
    alive = submitted(store).renders[0].render_id
    for name in (alive, "nothing"):
        answer = http.open(f"/v1/dead_letters/{name}{action}", method=method)
        assert (answer.status_code, answer.get_json()["code"]) == (404, "dead_letter_not_found")


def test_a_page_is_followed_by_the_next(http: FlaskClient, poisoned: Job) -> None:
    render_id = poisoned.renders[0].render_id
    assert http.get(f"/v1/dead_letters?after={render_id}").get_json()["data"] == []
    assert http.get("/v1/dead_letters?after=x").status_code == 400
