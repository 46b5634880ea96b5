"""`gridpress admin pause`, `resume` and `pauses`."""

import json

from tests.cli.conftest import Run
from tests.cli.stub_api import StubApi, problem, reply

PAUSE = {
    "kind": "class",
    "name": "batch",
    "reason": "until noon",
    "since": "2026-01-05T09:30:00.000Z",
    "key_id": "x7k2m4qa",
}


def test_a_class_is_paused_with_a_reason(api: StubApi, run: Run) -> None:
    api.routes["PUT /v1/pauses/class/batch"] = lambda: reply(200, PAUSE)
    assert run("admin", "pause", "class", "batch", "--reason", "until noon").stdout == "class batch is paused\n"
    assert api.sent("PUT /v1/pauses/class/batch") == [{"reason": "until noon"}]
    assert json.loads(run("admin", "pause", "class", "batch", "--json").stdout) == PAUSE


def test_it_is_resumed(api: StubApi, run: Run) -> None:
    api.routes["DELETE /v1/pauses/class/batch"] = lambda: (204, {}, b"")
    assert run("admin", "resume", "class", "batch").stdout == "class batch is no longer paused\n"
    result = run("admin", "resume", "stage", "dit")
    assert (result.exit_code, "nothing answers" in result.stderr) == (1, True)


def test_what_is_paused_is_listed(api: StubApi, run: Run) -> None:
    api.routes["GET /v1/pauses"] = lambda: reply(200, {"data": [PAUSE]})
    line = run("admin", "pauses").stdout.rstrip("\n").split("\t")
    assert line == ["class", "batch", "2026-01-05T09:30:00Z", "x7k2m4qa", "until noon"]


def test_a_refusal_is_one_line(api: StubApi, run: Run) -> None:
    api.routes["PUT /v1/pauses/stage/vae"] = lambda: problem(400, "name must be ar or dit")
    result = run("admin", "pause", "stage", "vae")
    assert (result.exit_code, "must be ar or dit" in result.stderr) == (1, True)
    assert run("admin", "pause", "colour", "red").exit_code == 2
