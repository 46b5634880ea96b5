"""`gridpress doctor`: what it says of this machine and the settings, and its exit status."""

import json
import logging
import shutil
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from cli.doctor import command, machine
from cli.doctor.findings import Findings
from cli.main import main
from shared.settings.settings import Settings
from workers.checkpoint import shipped

Examine = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def examine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Examine:
    """Exit status and the parts of the report. The compute part, which takes seconds, only where it is asked for."""

    def run(*arguments: str, torch_is_there: bool = False, **settings: str) -> tuple[int, dict[str, Any]]:
        monkeypatch.setattr(command, "has_torch", lambda: torch_is_there)
        for name, value in settings.items():
            monkeypatch.setenv(f"GRIDPRESS_{name.upper()}", value)
        result = CliRunner().invoke(main, ["doctor", "--json", "--data", str(tmp_path), *arguments])
        report = json.loads(result.stdout)
        assert report["ok"] == (result.exit_code == 0)
        return result.exit_code, report["parts"]

    return run


def test_the_endpoint_for_prompts_is_named_and_its_key_is_not_sent_in_clear(examine: Examine) -> None:
    assert "not set" in examine()[1]["prompt enhancement"]["facts"]["endpoint"]
    _, parts = examine(enhance_base_url="http://llm.example/v1", enhance_api_key="k-123")
    assert "https" in parts["prompt enhancement"]["problems"][0]["remedy"]
    assert "k-123" not in json.dumps(parts)
    _, parts = examine(enhance_base_url="http://127.0.0.1:8080/v1")
    assert not parts["prompt enhancement"]["problems"]


def test_a_machine_without_torch_is_told_what_it_can_do(examine: Examine) -> None:
    status, parts = examine()
    assert status == 0
    assert "API" in parts["compute"]["facts"]["torch"]
    assert "packages" not in parts


def test_a_problem_has_a_remedy_and_an_exit_status(examine: Examine) -> None:
    status, parts = examine(threads="9999")
    assert status == 1
    (problem,) = parts["machine"]["problems"]
    assert "GRIDPRESS_THREADS=9999" in problem["what"]
    assert problem["remedy"]


def test_stores_that_do_not_answer_are_problems(examine: Examine) -> None:
    status, parts = examine(redis_url="redis://127.0.0.1:1", s3_endpoint_url="nonsense")
    assert status == 1
    assert len(parts["stores"]["problems"]) == 2
    assert all(problem["remedy"] for problem in parts["stores"]["problems"])


def test_servers_of_our_own_are_missed_only_where_none_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_version", lambda _: None)
    named = Settings(redis_url="redis://h", s3_endpoint_url="http://h")
    assert len(machine.servers(Settings()).problems) == 2
    assert machine.servers(named).problems == []


def test_versions_are_held_against_what_this_release_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.packages("workers").problems == []
    monkeypatch.setattr(machine, "_version", lambda name: "0.1" if name == "torch" else version("torch"))
    assert any("torch 0.1" in problem.what for problem in machine.packages("workers").problems)


def test_the_report_names_device_options_and_the_memory_of_both_stages(examine: Examine, tiny_checkpoint: Path) -> None:
    status, parts = examine("--model", str(tiny_checkpoint), torch_is_there=True, device="cpu", dit_attention="native")
    assert status == 0
    assert parts["compute"]["facts"]["device"] == "cpu, float32"
    assert parts["compute"]["facts"]["profile"] == "cpu"
    assert "compiler off (profile cpu), attention native (setting)" in parts["compute"]["facts"]["options"]
    assert "_native_math" in parts["compute"]["facts"]["attention backends"]
    assert {"AR", "DiT at 1024x1024"} <= parts["memory"]["facts"].keys()


def test_settings_that_cannot_work_here_are_problems(examine: Examine, tmp_path: Path) -> None:
    status, parts = examine(
        "--model", str(tmp_path), torch_is_there=True, device="cpu", dit_fp8="1", ar_fp8="1", dit_attention="sage"
    )
    assert status == 1
    assert len(parts["compute"]["problems"]) == 3
    assert "no GLM-Image checkpoint" in parts["memory"]["problems"][0]["what"]


def test_weights_are_counted_without_being_loaded(tiny_checkpoint: Path) -> None:
    from cli.doctor.memory import ar_memory, dit_memory  # noqa: PLC0415
    from workers.ar.model.loading import load_ar_model  # noqa: PLC0415
    from workers.ar.plan import plan_memory  # noqa: PLC0415
    from workers.dit.model.loading import load_dit_model  # noqa: PLC0415

    place = (torch.device("cpu"), torch.bfloat16)
    plan = plan_memory(load_ar_model(str(tiny_checkpoint), *place), 1, None)
    ar = ar_memory(tiny_checkpoint, torch.bfloat16, 1, None, None)
    assert ar.weights == plan.weight_bytes
    assert ar.reserved // plan.bytes_per_token == plan.num_kv_tokens
    in_fp8 = load_ar_model(str(tiny_checkpoint), *place, in_fp8=True)
    converted = ar_memory(tiny_checkpoint, torch.bfloat16, 1, None, None, in_fp8=True)
    assert converted.weights == plan_memory(in_fp8, 1, None).weight_bytes < ar.weights
    model = load_dit_model(str(tiny_checkpoint), *place)
    parts = (model.transformer, model.vae, model.text_encoder)
    counted = sum(weight.numel() * weight.element_size() for part in parts for weight in part.parameters())
    dit = dit_memory(tiny_checkpoint, torch.bfloat16, 512, 512)
    assert dit.weights == counted
    assert dit_memory(tiny_checkpoint, torch.bfloat16, 512, 512, fp8="all").weights < counted
    assert dit_memory(tiny_checkpoint, torch.bfloat16, 512, 512, fp8="tiers").weights > counted
    assert dit_memory(tiny_checkpoint, torch.bfloat16, 1024, 1024).working == 4 * dit.working


def test_every_broken_file_of_weights_is_a_problem(tmp_path: Path, tiny_checkpoint: Path) -> None:
    from cli.doctor import stages  # noqa: PLC0415

    shutil.copytree(tiny_checkpoint, tmp_path / "model")
    broken = [next((tmp_path / "model" / part).glob("*.safetensors")) for part in ("transformer", "vae")]
    for file in broken:
        file.write_bytes(file.read_bytes()[:-1])
    problems = [problem.what for problem in stages.memory(Settings(model=str(tmp_path / "model"))).problems]
    assert all(any(f"{file.parent.name}/{file.name} is truncated" in what for what in problems) for file in broken)


@pytest.mark.parametrize("model", [None, "demo"])
def test_the_memory_of_the_demonstration_model_is_counted_where_no_other_is_named(
    model: str | None, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cli.doctor import stages  # noqa: PLC0415

    monkeypatch.setattr(shipped, "DEMO_WEIGHTS", tiny_checkpoint)
    assert "AR" in stages.memory(Settings(model=model, device="cpu")).facts


@pytest.mark.parametrize(("shared", "fits"), [("0", False), ("1", True)])
def test_a_card_that_holds_one_stage_is_advised_to_be_shared(
    shared: str, fits: bool, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cli.doctor import capabilities, memory, stages  # noqa: PLC0415

    stage = SimpleNamespace(total=18, weights=16, reserved=2, working=0)
    monkeypatch.setattr(capabilities, "free_bytes", lambda _: 24)
    monkeypatch.setattr(memory, "ar_memory", lambda *_, **__: stage)
    monkeypatch.setattr(memory, "dit_memory", lambda *_, **__: stage)
    found = stages.memory(Settings(model=str(tiny_checkpoint), device="cpu", share_device=shared))
    assert (not found.problems) == fits
    assert fits or "GRIDPRESS_SHARE_DEVICE" in found.problems[0].remedy


def test_what_libraries_log_and_warn_of_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def noisy(_: object) -> Findings:
        logging.getLogger("diffusers").warning("a module was cast")
        warnings.warn("slow", stacklevel=1)
        return Findings("machine")

    monkeypatch.setattr(command, "machine", noisy)
    monkeypatch.setattr(command, "has_torch", lambda: False)
    logging.getLogger("diffusers").addHandler(handler := logging.StreamHandler(sys.stderr))
    try:
        result = CliRunner().invoke(main, ["doctor", "--data", str(tmp_path)])
    finally:
        logging.getLogger("diffusers").removeHandler(handler)
    assert (result.stderr.strip(), capfd.readouterr().err) == ("", "")
    assert logging.root.manager.disable == logging.NOTSET
