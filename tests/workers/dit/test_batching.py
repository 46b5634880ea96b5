"""Renders in one pass: the picture is the same whatever the plan decided, and the plan follows what was measured."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image
from structlog.testing import capture_logs

from shared.geometry import GridSize
from shared.jobs.spec import Quality
from tests.fixtures.pictures import photo_like
from tests.workers.dit.claims import make_claim
from tests.workers.dit.rendering import largest_difference, render
from workers.dit.model.calibration import calibrate
from workers.dit.model.denoiser import Denoiser
from workers.dit.model.loading import DitModel, load_dit_model
from workers.dit.model.runner import DitRunner
from workers.dit.plan import Plan, Timing

SMALL, LARGE = GridSize(8, 8), GridSize(16, 16)
PHOTO = photo_like(512, 512, seed=3)


def a_plan(size: GridSize, *ms_per_row: float) -> Plan:
    """Of passes of 1, 2, 4 ... rows."""
    return Plan(tuple(Timing(size, 2**power, ms) for power, ms in enumerate(ms_per_row)))


CASES = [
    (make_claim("none", seed=1), []),
    (make_claim("short", seed=2, prompt='"ab"'), []),
    (make_claim("as-short", seed=3, prompt='"cd"', guidance=4.0, steps=3), []),
    (make_claim("longer", seed=4, prompt='"a longer text"', guidance=1.0), []),
    (make_claim("edit", seed=5, images=[PHOTO]), [PHOTO]),
    (make_claim("fast", seed=6, steps=6, quality=Quality.FAST), []),
    (make_claim("balanced", seed=7, steps=5, quality=Quality.BALANCED), []),
    (make_claim("few-steps", seed=8, steps=10, quality=Quality.FEW_STEPS), []),
]


@pytest.fixture(scope="module")
def alone(dit_model: DitModel) -> Sequence[Image.Image]:
    return [render(DitRunner(dit_model), claim, images) for claim, images in CASES]


@pytest.mark.parametrize("plan", [Plan(), a_plan(SMALL, 9, 5), a_plan(SMALL, 9, 8, 7), a_plan(SMALL, 9, 8, 7, 6)])
def test_a_picture_is_the_same_whatever_was_decided(
    dit_model: DitModel, alone: Sequence[Image.Image], plan: Plan
) -> None:
    """Quoted texts of two lengths, none, other guidance, an edit, another number of steps and quality, all at once."""
    batching = DitRunner(dit_model, plan=plan)
    states = [batching.start(claim, images) for claim, images in CASES]
    while waiting := [state for state in states if not state.is_done]:
        assert batching.denoise_steps(waiting) == [None] * len(waiting)
    for state, picture in zip(states, alone, strict=True):
        assert largest_difference(batching.decode(state), picture) <= 1


def test_rows_that_fit_share_a_pass(dit_model: DitModel, passes: list[int]) -> None:
    runner = DitRunner(dit_model, plan=a_plan(SMALL, 9, 8, 7))
    states = [runner.start(make_claim(seed=seed), []) for seed in (1, 2, 3)]
    runner.denoise_steps(states)
    assert passes == [4, 2]


def test_without_a_plan_every_row_has_its_own_pass(runner: DitRunner, passes: list[int]) -> None:
    runner.denoise_steps([runner.start(make_claim(seed=seed), []) for seed in (1, 2)])
    assert passes == [1, 1, 1, 1]
    assert runner.max_batch(SMALL) == 1


def test_a_render_that_breaks_fails_alone_among_those_that_step_with_it(runner: DitRunner) -> None:
    states = [runner.start(make_claim(seed=seed), []) for seed in (1, 2)]
    states[0].latents = states[0].latents * torch.inf
    failure, other = runner.denoise_steps(states)
    assert failure
    assert failure.reason == "nan_latents"
    assert other is None


@pytest.mark.parametrize(
    ("ms_per_row", "rows"),
    [((10.0, 10.0, 10.0), 1), ((10.0, 5.0, 4.0), 4), ((10.0, 5.0, 6.0), 2), ((10.0, 9.9, 9.8), 1), ((10.0,), 1)],
)
def test_more_rows_are_taken_only_where_a_row_gets_clearly_quicker(ms_per_row: Sequence[float], rows: int) -> None:
    assert a_plan(SMALL, *ms_per_row).rows_per_pass(SMALL) == rows


def test_rows_share_a_pass_only_where_company_changes_no_picture(dit_model: DitModel) -> None:
    plan = a_plan(SMALL, 9, 5, 3)
    assert DitRunner(dit_model, plan=plan).max_batch(SMALL) == 4
    rounded = dataclasses.replace(dit_model, dtype=torch.bfloat16)
    assert DitRunner(rounded, plan=plan).max_batch(SMALL) == 1


@pytest.mark.parametrize(
    ("case", "limit_px", "expected"),
    [
        ("none", 256 * 256, [2, 2]),
        ("none", 256 * 256 - 1, [1, 1, 1, 1]),
        ("short", 512 * 512, [1, 1, 1, 1]),
        ("edit", 512 * 512, [1, 1, 1, 1]),
        ("longer", 512 * 512, [1, 1]),
        ("balanced", 512 * 512, [2, 2, 2, 1, 1]),
    ],
)
def test_the_branches_of_a_small_picture_share_a_pass_where_they_fit(
    dit_model: DitModel, alone: Sequence[Image.Image], passes: list[int], case: str, limit_px: int, expected: list[int]
) -> None:
    """`short` quotes a text, `edit` has an image, and `longer` has no guidance."""
    (claim, images), picture = next((each, alone[k]) for k, each in enumerate(CASES) if each[0].render_id == case)
    state = (runner := DitRunner(dit_model, guidance_batch_px=limit_px)).start(claim, images)
    passes.clear()  # without those of condition images
    while not state.is_done:
        runner.denoise_step(state)
    assert passes == expected
    assert largest_difference(runner.decode(state), picture) <= 1


@torch.no_grad()
def test_where_rows_round_each_other_only_those_of_one_render_share_a_pass(
    tiny_checkpoint: Path,
) -> None:
    model = load_dit_model(str(tiny_checkpoint), torch.device("cpu"), torch.bfloat16)
    rows: list[int] = []
    model.transformer.transformer_blocks[0].register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
    runner = DitRunner(model, guidance_batch_px=256 * 256)
    noises = []
    for num_renders in (1, 3):
        states = [runner.start(make_claim(seed=seed), []) for seed in range(num_renders)]
        runner.denoise_steps(states)
        noises.append(states[0].noise)
    assert rows == [2, 2, 2, 2]
    assert torch.equal(*noises)


def test_a_size_between_two_measured_ones_is_treated_as_the_larger() -> None:
    plan = Plan((*a_plan(SMALL, 9, 5, 3).timings, *a_plan(LARGE, 9, 5, 9).timings))
    assert [plan.rows_per_pass(size) for size in (SMALL, GridSize(8, 9), LARGE, GridSize(16, 17))] == [4, 2, 2, 1]


def test_a_calibration_measures_within_its_budget_and_logs_its_table(dit_model: DitModel) -> None:
    with capture_logs() as logs:
        nothing = calibrate(dit_model, Denoiser(dit_model), budget_s=0)
    assert nothing == Plan()
    assert [(entry["event"], entry["table"]) for entry in logs] == [("dit.plan", [])]


def test_a_calibrated_size_has_one_chosen_row_in_the_table(
    dit_model: DitModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.dit.model.calibration.COMMON_SIZES", ((256, 256),))
    plan = calibrate(dit_model, Denoiser(dit_model), budget_s=600)
    assert [(row["rows"], row["cols"], row["rows_per_pass"]) for row in plan.table()] == [(8, 8, n) for n in (1, 2, 4)]
    assert [row["is_chosen"] for row in plan.table()].count(True) == 1
