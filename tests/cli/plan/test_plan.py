"""`gridpress plan` as a user runs it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from shared.schedule.profile import ArPoint, DitPoint, Profile
from tests.cli.answering import Reply
from tests.cli.stub_api import StubApi, reply


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    measured = Profile(
        measured_on={"device": "a card"},
        ar=[ArPoint(rows=32, step_s=0.02)],
        dit=[DitPoint(width=1024, height=1024, step_s=0.2, fixed_s=1.0)],
    )
    file = tmp_path / "profile.json"
    file.write_text(measured.model_dump_json())
    return file


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["plan", *map(str, arguments)])


def test_a_plan_names_workers_and_the_stage_that_limits(profile: Path) -> None:
    result = run("--images-per-minute", 600, "--profile", profile)
    assert result.exit_code == 0
    assert "DiT limits" in result.output
    assert "device a card" in result.output


def test_a_plan_as_json_scales_with_the_demand(profile: Path) -> None:
    few, many = (json.loads(run("--images-per-minute", n, "--profile", profile, "--json").output) for n in (60, 600))
    assert few["limit"] == "dit"
    assert 9 * few["dit"]["workers"] <= many["dit"]["workers"] <= 10 * few["dit"]["workers"]


def test_steps_are_what_the_dit_pays_for(profile: Path) -> None:
    short, long = (
        json.loads(run("--images-per-minute", 600, "--steps", n, "--profile", profile, "--json").output)
        for n in (10, 50)
    )
    assert short["dit"]["workers"] < long["dit"]["workers"]
    assert short["ar"] == long["ar"]


@pytest.mark.parametrize("size", ["1000x1024", "big", "64x64"])
def test_a_size_that_cannot_be_rendered_is_a_wrong_command_line(profile: Path, size: str) -> None:
    result = run("--images-per-minute", 1, "--size", size, "--profile", profile)
    assert result.exit_code == 2
    assert "--size" in result.output


@pytest.mark.parametrize("text", ["", "{}", '{"ar": [], "dit": []}', '{"ar": [{"rows": 0, "step_s": 1}], "dit": []}'])
def test_a_file_that_is_no_profile_says_so(tmp_path: Path, text: str) -> None:
    file = tmp_path / "profile.json"
    file.write_text(text)
    result = run("--images-per-minute", 1, "--profile", file)
    assert result.exit_code == 2
    assert "is no profile" in result.output


def stats(seconds_per_cost: float | None = 1e-6, slots: int = 8, running: int | None = 8) -> Reply:
    stage = {"workers": 2, "slots": slots, "running": running, "seconds_per_cost": seconds_per_cost}
    return reply(200, {"stages": {"ar": {**stage, "seconds_per_cost": 0.01}, "dit": stage}})


def test_without_a_profile_the_service_is_asked(api: StubApi) -> None:
    """1024x1024, 50 steps with guidance and the VAE: 105,067,315 pixel-steps at a microsecond each. The four slots of
    a DiT worker share one device.
    """
    api.routes["GET /v1/stats"] = stats
    answer = json.loads(run("--images-per-minute", 60, "--url", api.url, "--json").output)
    assert answer["dit"]["service_s"] == pytest.approx(105.067315)
    assert (answer["dit"]["slots"], answer["limit"]) == (1, "dit")
    assert answer["dit"]["workers"] * 0.8 >= 105.0673 > (answer["dit"]["workers"] - 1) * 0.8


@pytest.mark.parametrize(("running", "is_warned"), [(8, False), (9, False), (7, True)])
def test_a_service_with_idle_slots_is_called_too_quick(api: StubApi, running: int, is_warned: bool) -> None:
    api.routes["GET /v1/stats"] = lambda: stats(running=running)
    result = run("--images-per-minute", 60, "--url", api.url, "--json")
    assert json.loads(result.stdout)
    assert ("DiT are idle" in result.stderr) is is_warned


def test_without_the_scope_operator_nothing_is_known_of_idle_slots(api: StubApi) -> None:
    api.routes["GET /v1/stats"] = lambda: stats(running=None)
    result = run("--images-per-minute", 60, "--url", api.url, "--json")
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize("asked", [("--slots", 8), ("--size", "256x256")])
def test_what_a_profile_does_not_know_is_a_wrong_command_line(profile: Path, asked: tuple[object, ...]) -> None:
    result = run("--images-per-minute", 60, "--profile", profile, *asked)
    assert result.exit_code == 2
    assert "the profile knows" in result.output


@pytest.mark.parametrize("answer", [stats(seconds_per_cost=None), stats(slots=0)])
def test_a_service_that_knows_no_pace_yet_says_what_to_do(api: StubApi, answer: Reply) -> None:
    api.routes["GET /v1/stats"] = lambda: answer
    result = run("--images-per-minute", 60, "--url", api.url)
    assert result.exit_code == 1
    assert "DiT" in result.output
    assert "--profile" in result.output


def test_without_profile_and_service_both_ways_are_said() -> None:
    result = run("--images-per-minute", 60, "--url", "http://127.0.0.1:1")
    assert result.exit_code == 3
    assert "--profile" in result.output


def test_slots_are_for_profiles(api: StubApi) -> None:
    result = run("--images-per-minute", 60, "--slots", 4, "--url", api.url)
    assert result.exit_code == 2
    assert "--profile" in result.output
