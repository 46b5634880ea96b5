"""`gridpress validate`, and `jobs` and `cancel` for many jobs."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.cli.stub_api import StubApi, job, problem, reply

CANCEL, VALIDATE = "POST /v1/jobs/cancel", "POST /v1/jobs/validate"
ESTIMATE = {
    "n": 2, "pixels": 2_000_000, "cost": {"ar": 2562, "dit": 210}, "position": 3, "start_s": 12.4, "eta_s": 31.0,
    "paused": None, "unserved": [],
}  # fmt: skip


def report(*errors: dict[str, Any], **changes: Any) -> dict[str, Any]:
    estimate = None if errors else ESTIMATE
    return {"is_valid": not errors, "errors": list(errors), "estimate": estimate, "warnings": [], **changes}


def happened(*outcomes: tuple[str, str, str | None], following: str | None = None) -> dict[str, Any]:
    data = [{"id": name, "outcome": outcome, "status": status} for name, outcome, status in outcomes]
    return {"data": data, "has_more": following is not None, "next": following}


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    file = tmp_path / "request.json"
    file.write_text('{"prompt": "a fox", "n": 2}')
    return file


def test_a_valid_request_is_told_with_its_cost_and_end(api: StubApi, run: Run, request_file: Path) -> None:
    api.routes[VALIDATE] = lambda: reply(200, report(warnings=["images[0] was not fetched"]))
    result = run("validate", request_file)
    assert result.exit_code == 0
    assert api.sent(VALIDATE) == [{"prompt": "a fox", "n": 2}]
    assert "expected start: in 12 s\nexpected end: in 31 s" in result.stdout
    assert "2562 decode steps, 210 DiT cost units, 2.0 megapixels" in result.stdout
    assert result.stderr == "warning: images[0] was not fetched\n"
    assert json.loads(run("validate", request_file, "--json").stdout)["estimate"] == ESTIMATE


def test_every_error_of_a_request_is_told_and_the_status_is_1(api: StubApi, run: Run, request_file: Path) -> None:
    errors = [
        {"code": "invalid_request", "field": "n", "message": "n must be at most 8", "retryable": False},
        {"code": "queue_full", "field": None, "message": "9 renders wait already", "retryable": True},
    ]
    api.routes[VALIDATE] = lambda: reply(200, report(*errors))
    result = run("validate", request_file)
    assert result.exit_code == 1
    assert result.stdout == ("n must be at most 8\n9 renders wait already (the same request may be accepted later)\n")
    assert "has 2 errors: the service would refuse it" in result.stderr


@pytest.mark.parametrize("text", ["{", "[]", "\udcff"])
def test_a_file_that_is_no_request_is_not_sent(api: StubApi, run: Run, tmp_path: Path, text: str) -> None:
    file = tmp_path / "odd.json"
    file.write_bytes(text.encode(errors="surrogateescape"))
    result = run("validate", file)
    assert (result.exit_code, result.stderr.count("\n"), api.requests) == (1, 1, [])


def test_several_jobs_are_cancelled_with_one_request(api: StubApi, run: Run) -> None:
    api.routes[CANCEL] = lambda: reply(
        200, happened(("job_1", "cancelled", "cancelled"), ("job_2", "already_ended", "succeeded"))
    )
    result = run("cancel", "job_1", "job_2")
    assert result.stdout == "job_1 cancelled\njob_2 had ended before: succeeded\n"
    assert [body["ids"] for body in api.sent(CANCEL)] == [["job_1", "job_2"]]
    assert result.exit_code == 0


def test_a_filter_cancels_page_after_page(api: StubApi, run: Run) -> None:
    pages = iter([happened(("job_1", "cancelled", "cancelled"), following="job_1"), happened()])
    api.routes[CANCEL] = lambda: reply(200, next(pages))
    result = run("cancel", "--metadata", "shop=a", "--metadata", "b=c=d", "--status", "queued", "--json")
    assert [each["id"] for each in json.loads(result.stdout)["data"]] == ["job_1"]
    asked = [(body["after"], body["metadata"], body["status"], "ids" in body) for body in api.sent(CANCEL)]
    assert asked == [(after, {"shop": "a", "b": "c=d"}, ["queued"], False) for after in (None, "job_1")]


def test_a_job_that_does_not_exist_is_named(api: StubApi, run: Run) -> None:
    found = (("job_1", "not_selected", "running"), ("job_2", "not_found", None))
    api.routes[CANCEL] = lambda: reply(200, happened(*found))
    result = run("cancel", "job_1", "job_2", "--status", "queued")
    assert result.stdout == "job_1 does not pass the options, and stays running\njob_2 not found\n"
    assert (result.exit_code, result.stderr) == (1, "gridpress: there is no job job_2\n")


@pytest.mark.parametrize("arguments", [(), ("--metadata", "shop"), ("--metadata", "=a"), ("--status", "failed")])
def test_a_command_line_that_names_no_jobs_cancels_nothing(api: StubApi, run: Run, arguments: tuple[str, ...]) -> None:
    assert run("cancel", *arguments).exit_code == 2
    assert api.requests == []


def test_an_error_of_the_service_is_told(api: StubApi, run: Run) -> None:
    api.routes[CANCEL] = lambda: problem(400, "batch must be the id of a batch")
    result = run("cancel", "job_1", "job_2")
    assert (result.exit_code, result.stderr) == (1, "gridpress: batch must be the id of a batch\n")


def test_a_list_by_metadata_goes_on_over_short_pages(api: StubApi, run: Run) -> None:
    first = {"data": [job()], "has_more": True, "next": "job_1"}
    api.routes["GET /v1/jobs?limit=2&metadata=shop%3Da"] = lambda: reply(200, first)
    last = {"data": [job("job_2")], "has_more": False, "next": None}
    api.routes["GET /v1/jobs?limit=1&metadata=shop%3Da&after=job_1"] = lambda: reply(200, last)
    shown = json.loads(run("jobs", "--metadata", "shop=a", "--limit", 2, "--json").stdout)
    assert [each["id"] for each in shown["data"]] == ["job_1", "job_2"]
