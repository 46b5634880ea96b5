"""Parts become a checkpoint that the reference pipeline and the product load, and paint the same picture with."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open

from shared.jobs.token_grid import Prior, TokenGrid
from tests.fixtures.reference import Reference
from tests.workers.ar.claims import a_claim
from tests.workers.dit.rendering import largest_difference, reference_render, render
from workers.ar.model.loading import load_ar_model
from workers.checkpoint.demo import vae
from workers.checkpoint.demo.__main__ import main
from workers.checkpoint.demo.assemble import assemble
from workers.checkpoint.demo.card import Score, card_of
from workers.checkpoint.demo.models import ar as ar_model
from workers.checkpoint.demo.models.painter import Painter
from workers.checkpoint.demo.parts import TrainedParts
from workers.dit.model.loading import load_dit_model
from workers.dit.model.runner import DitRunner

CPU = torch.device("cpu")
MOST_BYTES = 20 * 2**20


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("assembled") / "weights"
    assemble(TrainedParts(vae.build(), ar_model.build(), Painter()), folder, "a card")
    return folder


def test_it_is_small_and_stored_in_float16(checkpoint: Path) -> None:
    assert sum(file.stat().st_size for file in checkpoint.rglob("*") if file.is_file()) < MOST_BYTES
    files = list(checkpoint.rglob("*.safetensors"))
    assert len(files) == 4
    for file in files:
        with safe_open(file, "pt") as weights:
            assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"F16"}  # noqa: SIM118
    assert (checkpoint / "README.md").read_text() == "a card"


def test_product_and_reference_paint_the_same_picture_with_it(checkpoint: Path) -> None:
    claim = a_claim("poster", (256, 256), prompt='a red poster that says "OPEN"', num_inference_steps=2)
    codes = torch.randint(ar_model.NUM_CODES, (64,), generator=torch.Generator().manual_seed(0)).tolist()
    claim = replace(claim, prior=Prior(TokenGrid(claim.settings.grid, tuple(codes)), ()))
    ours = render(DitRunner(load_dit_model(str(checkpoint), CPU, torch.float32)), claim)
    assert largest_difference(ours, reference_render(Reference(checkpoint).pipeline, claim)) <= 1


def test_the_ar_stage_takes_its_codebook_and_sampling_from_it(checkpoint: Path) -> None:
    sampling = load_ar_model(str(checkpoint), CPU, torch.float32).sampling
    assert (sampling.num_codes, sampling.temperature, sampling.top_p) == (ar_model.NUM_CODES, 0.9, 0.75)


def test_a_part_that_is_not_trained_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["assemble", "--folder", str(tmp_path), "--to", str(tmp_path / "weights")])
    assert result.exit_code == 3
    assert "train --part dit" in result.output
    assert not (tmp_path / "weights").exists()


def test_the_card_has_steps_and_scores(tmp_path: Path) -> None:
    torch.save({"step": 4_400, "seconds": 1_230.0}, tmp_path / "vae.pt")
    (tmp_path / "history.md").write_text("The AR model began elsewhere.\n")
    card = card_of(tmp_path, [Score("background colour right", 0.97, 0.985, 0.957, 0.995, 200)])
    assert "| VAE | 4,400 | 20 |\n\nThe AR model began elsewhere.\n" in card
    assert "| background colour right | 97% | 98.5% | 95.7% to 99.5% | 200 |" in card
    assert "license: mit" in card
