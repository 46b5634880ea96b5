"""Lists of jobs by prompt, metadata and batch."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.batches.batch import line_job_id, new_batch_id
from shared.ids import DEFAULT_TENANT, JobId, TenantId
from shared.jobs.spec import JobSpec
from shared.store.jobs import lists as job_lists
from shared.store.jobs.jobs import JobStore
from tests.shared.store.builders import a_spec, submitted


def found(http: FlaskClient, **query: Any) -> dict[str, Any]:
    answer = http.get("/v1/jobs", query_string=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.get_json())


def ids(page: dict[str, Any]) -> list[str]:
    return [job["id"] for job in page["data"]]


def of_prompt(prompt: str, **changes: Any) -> JobSpec:
    spec = a_spec(**changes)
    return spec.model_copy(update={"settings": spec.settings.model_copy(update={"prompt": prompt})})


def test_jobs_are_found_by_a_part_of_their_prompt_in_any_case(http: FlaskClient, store: JobStore) -> None:
    kite = submitted(store)
    store.submit(JobId("job_01ke6q8v3c9t0n5w7x2z4b6d8f"), of_prompt('a poster "STRASSE"'))
    assert ids(found(http, prompt="RED kite")) == [kite.job_id]
    assert ids(found(http, prompt="straße")) == ["job_01ke6q8v3c9t0n5w7x2z4b6d8f"]
    assert found(http, prompt="blue kite") == {"data": [], "has_more": False, "next": None}


def test_jobs_are_found_by_all_given_pairs_of_metadata(http: FlaskClient, store: JobStore) -> None:
    both = submitted(store, metadata={"shop": "a", "order": "x=1"})
    one = submitted(store, metadata={"shop": "a"})
    submitted(store, metadata={"shop": "b"})
    assert ids(found(http, metadata="shop=a")) == [one.job_id, both.job_id]
    assert ids(found(http, metadata=["shop=a", "order=x=1"])) == [both.job_id]


def test_filters_by_prompt_combine_with_status_and_order(http: FlaskClient, store: JobStore) -> None:
    cancelled, waiting, later = submitted(store), submitted(store), submitted(store)
    store.cancel(cancelled.job_id, DEFAULT_TENANT)
    assert ids(found(http, prompt="kite", status="queued", order="asc")) == [waiting.job_id, later.job_id]


def test_a_search_goes_on_where_it_stopped(http: FlaskClient, store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_lists, "_SCANNED_AT_ONCE", 2)
    monkeypatch.setattr(job_lists, "_MOST_SCANS", 1)
    oldest = submitted(store, metadata={"a": "b"})
    for _ in range(4):
        submitted(store)
    pages, after = [], None
    while not pages or after:
        page = found(http, metadata="a=b", **({"after": after} if after else {}))
        pages.append(ids(page))
        after = page["next"]
        assert page["has_more"] == bool(after)
    assert pages == [[], [], [oldest.job_id]]


def test_jobs_of_a_batch_are_found_by_its_id(http: FlaskClient, store: JobStore) -> None:
    batch, other = new_batch_id(), new_batch_id()
    mine = [line_job_id(batch, 0, line) for line in range(3)]
    for job_id in (*mine, line_job_id(other, 0, 0)):
        store.submit(job_id, a_spec())
    submitted(store)
    assert sorted(ids(found(http, batch=batch))) == mine
    first = found(http, batch=batch, limit=2, order="asc")
    assert ids(first) + ids(found(http, batch=batch, order="asc", after=first["next"])) == mine
    assert len(ids(found(http, batch=batch, created_after="2020-01-01T00:00:00Z", prompt="kite"))) == 3
    assert ids(found(http, batch=batch, created_before="2020-01-01T00:00:00Z")) == []


def test_a_search_finds_nothing_of_another_tenant(http: FlaskClient, store: JobStore) -> None:
    batch = new_batch_id()
    store.submit(line_job_id(batch, 0, 0), a_spec(tenant=TenantId("acme"), metadata={"a": "b"}))
    for query in ({"prompt": "kite"}, {"metadata": "a=b"}, {"batch": batch}):
        assert ids(found(http, **query)) == []


@pytest.mark.parametrize(
    ("query", "field"), [("metadata=x", "metadata[0]"), ("batch=1", "batch"), ("prompt=" + "a" * 201, "prompt")]
)
def test_a_bad_filter_is_refused_by_name(http: FlaskClient, query: str, field: str) -> None:
    answer = http.get(f"/v1/jobs?{query}")
    assert (answer.status_code, answer.get_json()["field"]) == (400, field)
