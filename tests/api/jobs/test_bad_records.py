"""A record that can't be read, or is gone between two reads, is left out of lists; all others are told as ever."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.ids import WorkerId
from shared.jobs.spec import JobSpec
from shared.jobs.states import Stage
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import LeaseRules, LeaseStore
from tests.api.outbox import an_attempt
from tests.shared.store.builders import REVISION, submitted

pytestmark = pytest.mark.attack
NUM = 5

LISTS = {
    "job": "/v1/jobs",
    "endpoint": "/v1/webhook_endpoints",
    "file": "/v1/files",
    "batch": "/v1/batches",
}
BROKEN: dict[str, list[dict[str, str]]] = {
    "job": [
        {"spec": "{}"},
        {"spec": "\\ud800"},
        {"created_ms": "9" * 30},
        {"created_ms": "now"},
        {"status": "odd"},
        {"n": "-1"},
        {"n": "9" * 20},
        {"n": "many"},
    ],
    "endpoint": [{"headers": "["}, {"old_secrets": "[[1]]"}, {"created_ms": "-" + "9" * 20}, {"payload": "odd"}],
    "file": [{"bytes": "1e3"}, {"purpose": "odd"}, {"created_ms": ""}, {"expires_ms": "9" * 400}],
    "batch": [{"spec": "null"}, {"status": ""}, {"errors": "{}"}, {"line": "x"}],
}
CASES = [(kind, fields) for kind, every in BROKEN.items() for fields in every]


@pytest.fixture
def ids(http: FlaskClient, house: Services) -> Callable[[str], list[str]]:
    """Makes some of a kind; their ids, the newest first."""

    def make(kind: str) -> list[str]:
        made = [_make(kind, http, house) for _ in range(NUM)]
        return made[::-1]

    return make


def _make(kind: str, http: FlaskClient, house: Services) -> str:
    match kind:
        case "job":
            answer = http.post("/v1/jobs", json={"prompt": "a"})
        case "endpoint":
            answer = http.post("/v1/webhook_endpoints", json={"url": "https://a.example/"})
        case "file":
            return _file(http)
        case _:
            asked = {"input_file_id": _file(http), "endpoint": "/v1/jobs", "completion_window": "24h"}
            answer = http.post("/v1/batches", json=asked)
    return str(answer.get_json()["id"])


def _file(http: FlaskClient) -> str:
    form = {"purpose": "batch", "file": (BytesIO(b"{}\n"), "a.jsonl")}
    return str(http.post("/v1/files", data=form, content_type="multipart/form-data").get_json()["id"])


def all_pages(http: FlaskClient, path: str, limit: int) -> list[str]:
    """Ids over all pages, as a caller walks them."""
    found: list[str] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = http.get(path, query_string=query).get_json()
        found += [each["id"] for each in page["data"]]
        if not page["has_more"]:
            return found
        query["after"] = page["next"] if "next" in page else page["last_id"]


@pytest.mark.parametrize(("kind", "fields"), CASES)
def test_a_bad_record_spoils_no_list(
    http: FlaskClient, client: Client, ids: Callable[[str], list[str]], kind: str, fields: dict[str, str]
) -> None:
    made = ids(kind)
    client.hset(f"gridpress:{kind}:{made[2]}", mapping=fields)  # type: ignore[arg-type]  # redis-py knows wider keys
    for limit in (1, 2, 100):
        assert all_pages(http, LISTS[kind], limit) == made[:2] + made[3:]
    assert http.get(f"{LISTS[kind]}/{made[2]}").status_code == 503
    assert http.get("/v1/stats").get_json()["faults"][f"unreadable.{kind}"] >= 1


@pytest.mark.parametrize("kind", LISTS)
def test_a_record_gone_between_two_reads_shortens_no_page(
    http: FlaskClient, client: Client, ids: Callable[[str], list[str]], kind: str
) -> None:
    made = ids(kind)
    client.delete(f"gridpress:{kind}:{made[0]}", f"gridpress:{kind}:{made[3]}")
    for limit in (1, 2, 100):
        assert all_pages(http, LISTS[kind], limit) == [made[1], made[2], made[4]]
    assert "faults" in http.get("/v1/stats").get_json()
    assert http.get("/v1/stats").get_json()["faults"] == {}


def test_a_job_whose_renders_are_gone_already_is_gone(http: FlaskClient, client: Client) -> None:
    job = http.post("/v1/jobs", json={"prompt": "a", "n": 2}).get_json()["id"]
    client.delete(f"gridpress:render:{job}:0001")
    assert http.get(f"/v1/jobs/{job}").status_code == 404
    assert http.get("/v1/jobs").get_json()["data"] == []


def test_a_deadline_taken_before_it_was_refused_is_told(http: FlaskClient, store: JobStore, client: Client) -> None:
    """Of a job that an earlier version took."""
    job = submitted(store)
    spec = JobSpec.model_validate_json(client.hget(f"gridpress:job:{job.job_id}", "spec"))
    late = spec.model_dump(mode="json") | {"deadline": "9999-12-31T23:59:59-23:59"}
    client.hset(f"gridpress:job:{job.job_id}", "spec", JobSpec.model_validate(late).model_dump_json())
    [told] = http.get("/v1/jobs").get_json()["data"]
    assert told["deadline"] == "9999-12-31T23:59:59.000-23:59"
    assert http.get(f"/v1/jobs/{job.job_id}").get_json()["deadline"] == told["deadline"]


@pytest.mark.parametrize("fields", [{"at_ms": "9" * 30}, {"attempt": ""}, {"latency_ms": "NaN"}, {"status": "?"}])
def test_a_bad_attempt_spoils_no_log(
    http: FlaskClient, client: Client, store: JobStore, fields: dict[str, str]
) -> None:
    job = submitted(store).job_id
    for number in range(3):
        an_attempt(client, job, number)
    client.xadd(f"gridpress:attempts:{job}", {"message": "evt_1", "type": "a", "job": "", "url": "", **fields})
    an_attempt(client, job, 3)
    path = f"/v1/jobs/{job}/webhook_attempts"
    assert [each["attempt"] for each in http.get(path, query_string={"limit": 4}).get_json()["data"]] == [3, 2, 1, 0]


def test_a_bad_dead_letter_spoils_no_list(http: FlaskClient, client: Client, store: JobStore) -> None:
    jobs = [submitted(store) for _ in range(3)]
    dying = LeaseStore(client, LeaseRules(ttl_s=0, prior_ready_limit_min=16))
    for life in range(6):
        assert dying.claim(Stage.AR, REVISION, WorkerId(f"w{life}"))
        UpkeepStore(client).rescue(poison_strikes=1)
    letters = [job.renders[0].render_id for job in reversed(jobs)]
    assert all_pages(http, "/v1/dead_letters", 2) == letters
    client.lpush(f"gridpress:crashes:{letters[1]}", "{}")
    for limit in (1, 2, 100):
        assert all_pages(http, "/v1/dead_letters", limit) == [letters[0], letters[2]]
    assert http.get(f"/v1/dead_letters/{letters[1]}").get_json()["code"] == "record_unreadable"
