"""`gridpress jobs retry|delete`, and how often the commands ask."""

import pytest

from cli import client
from gridpress.client import sync_transport
from tests.cli.conftest import Run
from tests.cli.stub_api import StubApi, job, problem, reply


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(sync_transport, "sleep", slept.append)
    return slept


def test_a_retry_tells_how_the_job_stands(api: StubApi, run: Run) -> None:
    api.routes["POST /v1/jobs/job_1/retry"] = lambda: reply(202, job(status="queued"))
    assert run("jobs", "retry", "job_1").output == "job_1 queued\n"


def test_a_refused_retry_says_why(api: StubApi, run: Run) -> None:
    api.routes["POST /v1/jobs/job_1/retry"] = lambda: problem(409, "job_1 is succeeded")
    result = run("jobs", "retry", "job_1")
    assert (result.exit_code, result.stderr) == (1, "gridpress: job_1 is succeeded\n")


def test_a_deleted_job_is_said_to_be_gone(api: StubApi, run: Run) -> None:
    api.routes["DELETE /v1/jobs/job_1"] = lambda: (204, {}, b"")
    assert run("jobs", "delete", "job_1").output == "job_1 deleted\n"


def test_a_reader_waits_as_long_as_the_service_asks(api: StubApi, run: Run, waits: list[float]) -> None:
    status, headers, body = problem(503, "the store is away")
    answers = iter([(status, headers | {"Retry-After": "2"}, body), (status, headers, body), reply(200, job())])
    api.routes["GET /v1/jobs/job_1"] = lambda: next(answers)
    assert run("job", "job_1").exit_code == 0
    assert waits == [2.0, client._WAIT_S]


def test_a_reader_gives_up_after_some_attempts(api: StubApi, run: Run, waits: list[float]) -> None:
    api.routes["GET /v1/jobs/job_1"] = lambda: problem(503, "the store is away")
    assert run("job", "job_1").exit_code == 3
    assert len(api.sent("GET /v1/jobs/job_1")) == len(waits) + 1 == client._MOST_ATTEMPTS


@pytest.mark.usefixtures("waits")
def test_what_changes_something_is_asked_again_with_the_same_key(api: StubApi, run: Run) -> None:
    api.routes["POST /v1/jobs/job_1/cancel"] = lambda: problem(503, "the store is away")
    assert run("cancel", "job_1").exit_code == 3
    assert len(api.idempotency_keys) == client._MOST_ATTEMPTS
    assert len(set(api.idempotency_keys)) == 1
