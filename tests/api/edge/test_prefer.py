"""`Prefer` of RFC 7240 on the routes of jobs."""

import threading
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.responses.prefer import parse
from api.services import Services
from shared.ids import DEFAULT_TENANT, JobId
from shared.store.jobs.jobs import JobStore
from tests.api.conftest import with_settings
from tests.shared.store.builders import submitted

BODY = {"prompt": "a"}


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("", {}),
        ("wait=10", {"wait": "10"}),
        ("Wait = 10", {"wait": "10"}),
        ('wait="10"', {"wait": "10"}),
        ("respond-async, wait=10", {"respond-async": "", "wait": "10"}),
        ("wait=1, wait=2", {"wait": "1"}),
        ('foo="a, wait=3"; x=y , wait=4', {"foo": "a, wait=3", "wait": "4"}),
        ("handling=lenient;wait=5", {"handling": "lenient"}),
        ('q="a\\"b"', {"q": 'a"b'}),
        (", ,wait", {"wait": ""}),
    ],
)
def test_preferences_are_told_apart(field: str, found: dict[str, str]) -> None:
    assert parse(field) == found


def test_a_wait_of_no_length_answers_at_once(http: FlaskClient) -> None:
    answer = http.post("/v1/jobs", json=BODY, headers={"Prefer": "wait=0"})
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "wait=0")
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Location"] == answer.get_json()["links"]["self"]


@pytest.mark.parametrize("value", ["soon", "-1", "1.5", "1e9"])
def test_a_wait_that_is_no_number_is_ignored(http: FlaskClient, value: str) -> None:
    answer = http.post("/v1/jobs", json=BODY, headers={"Prefer": f"wait={value}, respond-async"})
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "respond-async")


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "", 201), ("PUT", "/mine", 201)])
def test_a_job_that_ends_in_time_is_the_answer(
    http: FlaskClient, store: JobStore, method: str, path: str, status: int
) -> None:
    with _cancelling(store):
        answer = http.open(f"/v1/jobs{path}", method=method, json=BODY, headers={"Prefer": "wait=50"})
    assert (answer.status_code, answer.get_json()["status"]) == (status, "cancelled")
    assert answer.headers["Preference-Applied"] == "wait=50"
    assert answer.headers["Location"] == answer.get_json()["links"]["self"]


def test_reading_waits_too(http: FlaskClient, store: JobStore) -> None:
    job = submitted(store)
    with _cancelling(store):
        answer = http.get(f"/v1/jobs/{job.job_id}", headers={"Prefer": "wait"})
    assert (answer.status_code, answer.get_json()["status"]) == (200, "cancelled")


def test_a_wait_is_cut_to_what_the_service_allows(house: Services, store: JobStore) -> None:
    job = submitted(store)
    store.cancel(job.job_id, DEFAULT_TENANT)
    http = with_settings(house, max_wait_s=7, default_wait_s=3)
    for asked, applied in (("wait=99", "wait=7"), ("wait", "wait=3")):
        answer = http.get(f"/v1/jobs/{job.job_id}", headers={"Prefer": asked})
        assert answer.headers["Preference-Applied"] == applied


class _cancelling:  # noqa: N801 - reads as a verb
    """Cancels the first job that there is, as soon as there is one."""

    def __init__(self, store: JobStore) -> None:
        self._thread = threading.Thread(target=self._run, args=(store,))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: Any) -> None:
        self._thread.join()

    @staticmethod
    def _run(store: JobStore) -> None:
        while not (jobs := store.jobs(DEFAULT_TENANT, limit=1, after=None)):
            pass
        store.cancel(JobId(jobs[0].job_id), DEFAULT_TENANT)
