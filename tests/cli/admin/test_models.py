"""`gridpress admin models` and `model`."""

import json

import pytest

from tests.cli.conftest import Run
from tests.cli.stub_api import StubApi, problem, reply

PATH = "PATCH /v1/model_rules/acme/Painter"
FOUND = {
    "model": "acme/Painter",
    "is_default": False,
    "main_revision": "a",
    "revisions": [
        {"revision": "a", "num_workers": 4, "is_paused": False},
        {"revision": "b", "num_workers": 1, "is_paused": True},
    ],
    "canary": {"revision": "b", "percent": 2.5},
    "defaults": {"size": None, "num_inference_steps": 30, "guidance_scale": 0.0, "quality": None},
    "waits": True,
}


def test_models_are_listed_with_a_line_for_each_revision(api: StubApi, run: Run) -> None:
    api.routes["GET /v1/model_rules"] = lambda: reply(200, {"data": [FOUND]})
    lines = [line.split("\t") for line in run("admin", "models").stdout.splitlines()]
    words = "steps 30, guidance 0.0, waits"
    assert lines == [
        ["acme/Painter", "a", "4", "main", "", words],
        ["acme/Painter", "b", "1", "paused", "2.5 %", words],
    ]


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (["--canary", "b", "--percent", "2.5"], {"canary": {"revision": "b", "percent": 2.5}}),
        (["--no-canary", "--no-waits"], {"canary": None, "waits": False}),
        (["--steps", "30", "--size", "512x256"], {"defaults": {"size": "512x256", "num_inference_steps": 30}}),
        (["--no-defaults"], {"defaults": None}),
    ],
)
def test_only_what_is_named_changes(api: StubApi, run: Run, options: list[str], sent: dict[str, object]) -> None:
    api.routes[PATH] = lambda: reply(200, FOUND)
    told = run("admin", "model", "acme/Painter", *options).stdout
    assert told == "acme/Painter: 2.5 % of new jobs go to b, steps 30, guidance 0.0, waits\n"
    assert api.sent(PATH) == [sent]
    assert json.loads(run("admin", "model", "acme/Painter", *options, "--json").stdout) == FOUND


def test_a_refusal_is_one_line(api: StubApi, run: Run) -> None:
    api.routes[PATH] = lambda: problem(400, "percent must be at most 100")
    result = run("admin", "model", "acme/Painter", "--canary", "b", "--percent", "200")
    assert (result.exit_code, "at most 100" in result.stderr) == (1, True)
    for wrong in ([], ["--canary", "b"], ["--no-defaults", "--steps", "3"]):
        assert run("admin", "model", "acme/Painter", *wrong).exit_code == 2
