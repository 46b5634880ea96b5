"""`gridpress dead-letters`: what it asks the API, and what it prints."""

import json

from tests.cli.conftest import Run
from tests.cli.stub_api import StubApi, job, reply

ID = "job_1:0000"
CRASH = {
    "worker": "ar-host-1",
    "stage": "ar",
    "at": "2026-01-01T00:00:01.000Z",
    "steps": {"done": 7, "total": 80},
    "was_alone": True,
    "log_lines": ["step 7", "illegal memory access"],
}
LETTER = {
    "id": ID,
    "job_id": "job_1",
    "index": 0,
    "stage": "ar",
    "strikes": 5,
    "died_at": "2026-01-01T00:00:02.000Z",
    "crashes": [CRASH],
}
PATH = "/v1/dead_letters/job_1%3A0000"


def test_the_list_shows_who_died_and_where(api: StubApi, run: Run) -> None:
    api.routes["GET /v1/dead_letters?limit=20"] = lambda: reply(200, {"data": [LETTER]})
    assert {ID, "5", "ar-host-1"} <= set(run("dead-letters", "list").output.split())
    assert json.loads(run("dead-letters", "list", "--json").output) == {"data": [LETTER]}


def test_the_evidence_is_shown(api: StubApi, run: Run) -> None:
    api.routes[f"GET {PATH}"] = lambda: reply(200, LETTER)
    output = run("dead-letters", "show", ID).output
    assert "7 of 80" in output
    assert output.endswith("step 7\nillegal memory access\n")
    assert json.loads(run("dead-letters", "show", ID, "--json").output) == LETTER


def test_a_requeue_tells_that_the_job_runs(api: StubApi, run: Run) -> None:
    api.routes[f"POST {PATH}/requeue"] = lambda: reply(200, job(status="running"))
    assert run("dead-letters", "requeue", ID).output == "job_1 running\n"


def test_a_purge_is_confirmed(api: StubApi, run: Run) -> None:
    api.routes[f"POST {PATH}/purge"] = lambda: (204, {}, b"")
    assert run("dead-letters", "purge", ID).output == f"{ID} purged\n"
