"""The weights that ship paint the colours that a prompt names."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from shared.jobs.token_grid import Prior
from tests.workers.ar.claims import a_claim, an_engine, finish
from tests.workers.dit.rendering import render
from workers.ar.model.loading import ArModel, load_ar_model
from workers.checkpoint.demo.world.scenes import COLOURS
from workers.checkpoint.shipped import DEMO_WEIGHTS
from workers.dit.model.loading import load_dit_model
from workers.dit.model.runner import DitRunner

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def ar() -> ArModel:
    return load_ar_model(str(DEMO_WEIGHTS), CPU, torch.float32)


@pytest.fixture(scope="module")
def dit() -> DitRunner:
    return DitRunner(load_dit_model(str(DEMO_WEIGHTS), CPU, torch.float32))


@pytest.mark.parametrize("background", ["red", "blue", "yellow", "black"])
def test_a_background_has_the_colour_of_its_prompt(background: str, ar: ArModel, dit: DitRunner) -> None:
    claim = a_claim("one", seed=1, prompt=f'a {background} poster that says "OPEN"', num_inference_steps=6)
    prior = finish(an_engine(ar), [claim])["one"]
    assert isinstance(prior, Prior)
    picture = render(dit, replace(claim, prior=prior))
    assert {nearest_colour(picture, x, y) for x in (10, 245) for y in (10, 245)} == {background}


def nearest_colour(picture: Image.Image, x: int, y: int) -> str:
    pixels = np.asarray(picture.crop((x - 4, y - 4, x + 5, y + 5)), dtype=float).mean(axis=(0, 1))
    return min(COLOURS, key=lambda name: float(np.abs(pixels - COLOURS[name]).sum()))


def test_no_file_names_the_folder_of_the_training() -> None:
    configs = [json.loads(file.read_text()) for file in DEMO_WEIGHTS.rglob("config.json")]
    assert len(configs) == 4
    assert not any(config.get("_name_or_path") for config in configs)
