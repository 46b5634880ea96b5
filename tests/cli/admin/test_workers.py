"""`gridpress admin workers`, `drain`, `undrain` and `requeue`."""

import json

import pytest

from cli.admin import workers
from tests.cli.conftest import Run
from tests.cli.stub_api import StubApi, problem, reply

WORKER = {
    "id": "dit-1",
    "stage": "dit",
    "device": "NVIDIA H100",
    "revision": "r1",
    "slots": 0,
    "state": "drained",
    "is_draining": True,
    "drain": {"reason": "hot", "since": "2026-01-05T09:30:00.000Z", "key_id": None},
    "step_s": 0.25,
    "num_held": 0,
    "held": [],
}
HELD = [{"job_id": "job_1", "tenant": "acme", "index": 0, "since": "2026-01-05T09:29:00.000Z", "progress": None}]
BUSY = {**WORKER, "id": "dit-2", "slots": 2, "state": "working", "drain": None, "num_held": 1, "held": HELD}
DRAIN = {"id": "dit-1", "drain": WORKER["drain"]}


def test_a_line_of_each_worker_says_what_it_is_and_holds(api: StubApi, run: Run) -> None:
    api.routes["GET /v1/workers"] = lambda: reply(200, {"data": [WORKER, BUSY], "total": 2})
    first, second = (line.split("\t") for line in run("admin", "workers").stdout.splitlines())
    assert first[:6] == ["dit-1", "dit", "drained", "2026-01-05T09:30:00Z", "NVIDIA H100", "r1"]
    assert second[6:] == ["2", "0.25", "1", "acme/job_1:0"]


def test_a_worker_is_drained_and_waited_for(api: StubApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_POLL_S", 0.0)
    lists = iter([[{**WORKER, "num_held": 1}, BUSY], [WORKER, BUSY]])
    api.routes["GET /v1/workers"] = lambda: reply(200, {"data": next(lists), "total": 2})
    api.routes["POST /v1/workers/dit-1/drain"] = lambda: reply(200, DRAIN)
    result = run("admin", "drain", "dit-1", "--reason", "hot", "--wait")
    assert result.stdout == "dit-1 holds nothing any more\n"
    assert api.sent("POST /v1/workers/dit-1/drain") == [{"reason": "hot"}]
    assert not list(lists)


def test_without_a_wait_only_the_drain_is_asked_for(api: StubApi, run: Run) -> None:
    api.routes["POST /v1/workers/dit-1/drain"] = lambda: reply(200, DRAIN)
    assert json.loads(run("admin", "drain", "dit-1", "--json").stdout) == DRAIN


def test_a_drain_is_ended(api: StubApi, run: Run) -> None:
    api.routes["POST /v1/workers/dit-1/resume"] = lambda: (204, {}, b"")
    assert run("admin", "undrain", "dit-1").stdout == "dit-1 claims again\n"
    assert run("admin", "undrain", "dit-9").exit_code == 1


def test_work_moves_to_another_revision(api: StubApi, run: Run) -> None:
    api.routes["POST /v1/requeue"] = lambda: reply(200, {"to": "r2", "moved": 7})
    result = run("admin", "requeue", "--to", "r2", "--from", "r1", "--tenant", "acme")
    assert result.stdout == "7 waiting pictures moved to the revision r2\n"
    assert api.sent("POST /v1/requeue") == [{"to": "r2", "from": "r1", "tenant": "acme"}]


def test_a_refusal_of_it_is_one_line(api: StubApi, run: Run) -> None:
    api.routes["POST /v1/requeue"] = lambda: problem(409, "no live AR worker serves the revision r2")
    result = run("admin", "requeue", "--to", "r2")
    assert (result.exit_code, "no live AR worker" in result.stderr) == (1, True)
