from typing import Any

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.errors import StoreUnavailable
from shared.ids import DEFAULT_TENANT, new_job_id
from shared.jobs.job import Job
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from tests.shared.store.builders import submitted


def page(http: FlaskClient, **query: Any) -> dict[str, Any]:
    answer = http.get("/v1/jobs", query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def ids(jobs: list[Job]) -> list[str]:
    return [job.job_id for job in jobs]


def test_an_unknown_job_is_a_problem(http: FlaskClient) -> None:
    unknown = new_job_id()
    for method, path in (("GET", ""), ("POST", "/cancel"), ("GET", "/images/0"), ("GET", "/events")):
        answer = http.open(f"/v1/jobs/{unknown}{path}", method=method)
        assert answer.status_code == 404
        assert answer.get_json()["code"] == "job_not_found"
        assert unknown in answer.get_json()["detail"]


@pytest.mark.parametrize("job_id", ["nonsense", "job_", "%00", "%F0%9F%90%B1", "%ff%fe", "..", "a:b", "j" * 9_000])
def test_an_odd_job_id_is_an_unknown_job(http: FlaskClient, job_id: str) -> None:
    answer = http.get(f"/v1/jobs/{job_id}")
    assert (answer.status_code, answer.get_json()["code"]) == (404, "job_not_found")
    assert len(answer.text) < 5_000


def test_another_tenants_job_is_unknown(http: FlaskClient, store: JobStore) -> None:
    job = submitted(store, tenant="someone-else")
    assert http.get(f"/v1/jobs/{job.job_id}").status_code == 404
    assert http.post(f"/v1/jobs/{job.job_id}/cancel").status_code == 404
    assert page(http)["data"] == []
    assert store.job(job.job_id, job.spec.tenant) == job


def test_jobs_are_listed_newest_first_in_pages(http: FlaskClient, store: JobStore) -> None:
    newest_first = ids([submitted(store) for _ in range(5)])[::-1]
    found, after = [], None
    for size, has_more in ((2, True), (2, True), (1, False)):
        answer = page(http, limit=2, **{"after": after} if after else {})
        assert (len(answer["data"]), answer["has_more"]) == (size, has_more)
        found += [job["id"] for job in answer["data"]]
        after = answer["next"]
    assert found == newest_first
    assert after is None


def test_a_full_last_page_says_that_it_is_the_last(http: FlaskClient, store: JobStore) -> None:
    submitted(store)
    submitted(store)
    assert page(http, limit=2) | {"data": []} == {"data": [], "has_more": False, "next": None}


def test_jobs_are_filtered_by_status(http: FlaskClient, store: JobStore) -> None:
    queued, cancelled = submitted(store), submitted(store)
    store.cancel(cancelled.job_id, DEFAULT_TENANT)
    for status, expected in (("queued", [queued]), ("cancelled", [cancelled]), ("running", [])):
        assert [job["id"] for job in page(http, status=status)["data"]] == ids(expected)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=many", "limit"),
        ("limit=1e1", "limit"),
        ("status=done", "status[0]"),
        ("status=queued,done", "status[1]"),
        ("created_after=yesterday", "created_after"),
        ("created_before=2026-01-05T09:30:00", "created_before"),
        ("after=%2B", "after"),
        ("after=job_1", "after"),
        ("after=(job_01ke6q8v3c9t0n5w7x2z4b6d8f", "after"),
        ("order=random", "order"),
    ],
)
def test_a_bad_query_is_refused_by_name(http: FlaskClient, query: str, field: str) -> None:
    answer = http.get(f"/v1/jobs?{query}")
    assert (answer.status_code, answer.get_json()["field"]) == (400, field)


def test_cancelling_twice_answers_the_same(http: FlaskClient, store: JobStore) -> None:
    job = submitted(store, n=2)
    first = http.post(f"/v1/jobs/{job.job_id}/cancel")
    assert first.status_code == 200
    assert first.get_json()["status"] == "cancelled"
    assert [image["status"] for image in first.get_json()["images"]] == ["cancelled"] * 2
    assert http.post(f"/v1/jobs/{job.job_id}/cancel").get_json() == first.get_json()


def test_the_webhook_secret_is_read(http: FlaskClient, house: Services) -> None:
    answer = http.get("/v1/webhooks/secret")
    assert answer.get_json() == {"secret": house.webhook_secret}
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["//v1/jobs", "/v1/jobs/a/b", "/static/x"])
def test_an_unknown_route_is_a_problem(http: FlaskClient, path: str) -> None:
    answer = http.get(path, base_url="http://localhost")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert answer.get_json()["code"] == "not_found"


def test_a_wrong_method_is_a_problem_that_names_the_right_ones(http: FlaskClient) -> None:
    answer = http.delete("/v1/jobs")
    assert (answer.status_code, answer.get_json()["code"]) == (405, "method_not_allowed")
    assert {"GET", "POST"} <= set(answer.headers["Allow"].replace(" ", "").split(","))


def test_a_store_that_is_away_is_an_outage_without_addresses(
    http: FlaskClient, house: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreUnavailable("Error 111 connecting to 10.1.2.3:6379")

    for method in ("submit", "job", "jobs"):
        monkeypatch.setattr(type(house.store), method, fail)
    answers = [http.post("/v1/jobs", json={"prompt": "a"}), http.get("/v1/jobs"), http.get("/v1/jobs/job_1")]
    for answer in answers:
        problem = answer.get_json()
        assert (answer.status_code, problem["code"], problem["retryable"]) == (503, "store_unavailable", True)
        assert "10.1.2.3" not in answer.text
        assert int(answer.headers["Retry-After"]) > 0


def test_a_record_that_cannot_be_read_is_our_fault_and_not_the_callers(
    http: FlaskClient, store: JobStore, client: Client
) -> None:
    job = submitted(store)
    client.hset(f"gridpress:job:{job.job_id}", "spec", '{"n": "many"}')
    answer = http.get(f"/v1/jobs/{job.job_id}")
    assert (answer.status_code, answer.get_json()["code"]) == (503, "record_unreadable")


def test_a_surprise_is_a_problem_without_a_traceback(
    http: FlaskClient, house: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret internals")

    monkeypatch.setattr(type(house.store), "job", fail)
    answer = http.get("/v1/jobs/job_1")
    assert (answer.status_code, answer.get_json()["code"]) == (500, "internal_error")
    assert "secret internals" not in answer.text
    assert http.get("/healthz").status_code == 200
