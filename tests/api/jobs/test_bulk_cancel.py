"""Cancelling many jobs with one request."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.batches.batch import line_job_id, new_batch_id
from shared.ids import DEFAULT_TENANT, TenantId, new_job_id
from shared.jobs.states import JobStatus, Stage
from shared.store.core.connect import Client
from shared.store.jobs import lists as job_lists
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import LeaseStore
from tests.api.edge.test_tenants import OTHER, OWNER, fields
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_spec, finish_next, submitted

__all__ = ["fields"]

PATH = "/v1/jobs/cancel"
DONE = ("cancelled", "cancelled")


def cancelled(http: FlaskClient, headers: dict[str, str] | None = None, **body: Any) -> dict[str, Any]:
    answer = http.post(PATH, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.get_json())


def outcomes(page: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {each["id"]: (each["outcome"], each["status"]) for each in page["data"]}


def test_each_id_is_answered_with_what_happened(http: FlaskClient, store: JobStore, client: Client) -> None:
    ended, several = submitted(store).job_id, submitted(store, n=3).job_id
    finish_next(LeaseStore(client, RULES))
    http.put("/v1/jobs/cancel", json={"prompt": "a job whose own name is that of the route"})
    unknown = new_job_id()
    page = cancelled(http, ids=[several, ended, unknown, "cancel", "nobody"])
    assert outcomes(page) == {
        several: DONE,
        ended: ("already_ended", "succeeded"),
        unknown: ("not_found", None),
        "cancel": DONE,
        "nobody": ("not_found", None),
    }
    assert (page["has_more"], page["next"]) == (False, None)
    assert [image["status"] for image in http.get(f"/v1/jobs/{several}").get_json()["images"]] == ["cancelled"] * 3


def test_a_repeated_request_changes_nothing(http: FlaskClient, store: JobStore) -> None:
    job_id = submitted(store).job_id
    assert outcomes(cancelled(http, ids=[job_id])) == {job_id: DONE}
    events = store.events(job_id, after="0")
    assert outcomes(cancelled(http, ids=[job_id, job_id])) == {job_id: ("already_ended", "cancelled")}
    assert store.events(job_id, after="0") == events


def test_a_repeated_key_brings_the_first_response(http: FlaskClient, store: JobStore) -> None:
    job_id, key = submitted(store).job_id, {"Idempotency-Key": "once"}
    first, second = (cancelled(http, key, ids=[job_id]) for _ in range(2))
    assert first == second


def test_of_the_given_ids_only_those_that_pass_the_filter_are_cancelled(
    http: FlaskClient, store: JobStore, client: Client
) -> None:
    running = submitted(store, metadata={"a": "b"}).job_id
    assert LeaseStore(client, RULES).claim(Stage.AR, REVISION, WORKER_ID)
    waiting, other = submitted(store, metadata={"a": "b", "c": "d"}).job_id, submitted(store).job_id
    page = cancelled(http, ids=[running, waiting, other], status=["queued"], metadata={"a": "b"})
    passed_over = ("not_selected", "queued")
    assert outcomes(page) == {running: ("not_selected", "running"), waiting: DONE, other: passed_over}


def test_a_filter_by_status_cancels_page_after_page_the_oldest_first(http: FlaskClient, store: JobStore) -> None:
    ids = [submitted(store).job_id for _ in range(5)]
    first = cancelled(http, status=["queued", "running"], limit=2)
    assert (list(outcomes(first)), first["has_more"], first["next"]) == (ids[:2], True, ids[1])
    second = cancelled(http, status=["queued"], limit=2, after=first["next"])
    last = cancelled(http, status=["queued"], limit=2)
    assert (list(outcomes(second)), list(outcomes(last)), last["has_more"]) == (ids[2:4], ids[4:], False)
    assert cancelled(http, status=["queued"])["data"] == []


def test_a_filter_by_batch_leaves_other_jobs_alone(http: FlaskClient, store: JobStore) -> None:
    batch = new_batch_id()
    lines = [line_job_id(batch, 0, line) for line in range(2)]
    for job_id in lines:
        store.submit(job_id, a_spec())
    other = submitted(store).job_id
    assert outcomes(cancelled(http, batch=batch, ids=[lines[0], other])) == {
        lines[0]: DONE,
        other: ("not_selected", "queued"),
    }
    assert outcomes(cancelled(http, batch=batch)) == {lines[1]: DONE}
    assert store.status(other) is JobStatus.QUEUED


def test_a_filter_by_metadata_goes_on_where_it_stopped(
    http: FlaskClient, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_lists, "_SCANNED_AT_ONCE", 2)
    monkeypatch.setattr(job_lists, "_MOST_SCANS", 1)
    others = [submitted(store).job_id for _ in range(3)]
    meant = submitted(store, metadata={"shop": "a", "x": "y"}).job_id
    first = cancelled(http, metadata={"shop": "a"})
    assert (first["data"], first["has_more"]) == ([], True)
    assert outcomes(cancelled(http, metadata={"shop": "a"}, after=first["next"])) == {meant: DONE}
    assert {store.status(each) for each in others} == {JobStatus.QUEUED}


def test_nothing_of_another_tenant_is_cancelled_or_told(
    http: FlaskClient, store: JobStore, fields: dict[TenantId, dict[str, str]]
) -> None:
    batch = new_batch_id()
    theirs = [line_job_id(batch, 0, 0), submitted(store, tenant=OWNER, metadata={"a": "b"}).job_id]
    store.submit(line_job_id(batch, 0, 0), a_spec(tenant=OWNER))
    http.put("/v1/jobs/poster", json={"prompt": "a"}, headers=fields[OWNER])
    asked: list[dict[str, Any]] = [{"ids": [*theirs, "poster"]}, {"ids": theirs, "metadata": {"a": "b"}}]
    for body in (*asked, {"ids": theirs, "batch": batch}):
        assert set(outcomes(cancelled(http, fields[OTHER], **body)).values()) == {("not_found", None)}
    for body in ({"status": ["queued"]}, {"batch": batch}, {"metadata": {"a": "b"}}):
        assert cancelled(http, fields[OTHER], **body) == {"data": [], "has_more": False, "next": None}
    assert {store.job(each, OWNER).status for each in theirs} == {JobStatus.QUEUED}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "ids"),
        ({"ids": []}, "ids"),
        ({"ids": ["a"], "limit": 3}, "ids"),
        ({"ids": ["a"] * 501}, "ids"),
        ({"status": ["succeeded"]}, "status[0]"),
        ({"batch": "batch_1"}, "batch"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"limit": 501, "status": ["queued"]}, "limit"),
        ({"id": ["a"]}, "id"),
    ],
)
def test_a_request_that_is_wrong_cancels_nothing(
    http: FlaskClient, store: JobStore, body: dict[str, Any], field: str
) -> None:
    job = submitted(store)
    answer = http.post(PATH, json=body)
    assert (answer.status_code, answer.get_json()["field"]) == (400, field)
    assert store.job(job.job_id, DEFAULT_TENANT).status is JobStatus.QUEUED
