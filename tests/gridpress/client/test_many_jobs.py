"""Both clients check requests, and read and cancel many jobs, on the real API."""

from typing import Any

import pytest

from gridpress.client import CancelOutcome, InvalidRequest, JobRequest
from gridpress.client import flows as client_flows
from shared.ids import new_job_id
from shared.jobs.states import JobStatus
from shared.store.jobs.jobs import JobStore
from tests.gridpress.client.conftest import Make
from tests.shared.store.builders import submitted


@pytest.fixture
def ours(connect: Make, url: str) -> Any:
    return connect(url)


def test_a_request_is_checked_before_it_is_sent(ours: Any) -> None:
    report = ours.validate("a fox", size="100x100", n=0)
    assert not report.is_valid
    assert [error.field for error in report.errors] == ["n", "size"]
    valid = ours.validate(JobRequest(prompt="a fox", size="256x256", n=2))
    assert valid.is_valid
    assert valid.estimate.pixels == 2 * 256 * 256
    assert list(ours.jobs()) == []


def test_jobs_come_in_the_order_of_their_ids(ours: Any, store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_flows, "_IDS_AT_ONCE", 2)
    first, second = submitted(store).job_id, submitted(store).job_id
    ids = [second, new_job_id(), first, "a,b", "", "x" * 200, second]
    found = ours.jobs_by_id(ids)
    assert [job and job.id for job in found] == [second, None, first, None, None, None, second]
    assert ours.jobs_by_id(each for each in ()) == []


def test_many_jobs_are_cancelled_by_ids_and_by_filter(
    ours: Any, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_flows, "_CANCELLED_AT_ONCE", 2)
    ids = [submitted(store, metadata={"shop": "a"}).job_id for _ in range(3)]
    other, unknown = submitted(store).job_id, new_job_id()
    done = ours.cancel_all([ids[0], unknown, other], metadata={"shop": "a"})
    assert [(each.id, each.outcome) for each in done] == [
        (ids[0], CancelOutcome.CANCELLED),
        (unknown, CancelOutcome.NOT_FOUND),
        (other, CancelOutcome.NOT_SELECTED),
    ]
    assert [each.id for each in ours.cancel_all(metadata={"shop": "a"})] == ids[1:]
    assert ours.cancel_all([], status=["queued"]) == []
    assert store.status(other) is JobStatus.QUEUED
    assert [each.id for each in ours.cancel_all(status=["queued", "running"])] == [other]
    with pytest.raises(InvalidRequest, match="give ids or a filter"):
        ours.cancel_all()
