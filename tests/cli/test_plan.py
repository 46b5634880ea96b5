"""`gridpress plan` as a user runs it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from shared.planning import ArPoint, DitPoint, Profile


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
