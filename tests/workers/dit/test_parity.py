"""The picture is the reference's: from the same prior tokens, on CPU in float32, within 1 of 255."""

import dataclasses
from collections.abc import Callable, Sequence

import pytest
import torch
from diffusers import AutoencoderKL, GlmImagePipeline

from tests.fixtures.pictures import photo_like
from tests.workers.dit.claims import make_claim
from tests.workers.dit.rendering import largest_difference, reference_render, render
from workers.dit.model.loading import DitModel
from workers.dit.model.runner import DitRunner

QUOTED = "a bakery's poster: \"Fresh Bread\", “Täglich ab sieben” and 「焼きたて」 over 'open'"
UNQUOTED = "a quiet harbour at dawn"
SIZES = [(256, 256), (512, 512), (256, 384), (384, 256), (512, 256)]
PHOTO = photo_like(512, 512, seed=3)


def model_of(pipeline: GlmImagePipeline) -> DitModel:
    """A reference pipeline's own modules."""
    return DitModel(
        transformer=pipeline.transformer,
        vae=pipeline.vae,
        text_encoder=pipeline.text_encoder,
        tokenizer=pipeline.tokenizer,
        scheduler_config=pipeline.scheduler.config,
        device=pipeline.device,
        dtype=pipeline.dtype,
    )


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_picture_with_quoted_text_equals_the_references(
    runner: DitRunner, reference: GlmImagePipeline, width: int, height: int
) -> None:
    claim = make_claim(width=width, height=height, prompt=QUOTED)
    assert largest_difference(render(runner, claim), reference_render(reference, claim)) <= 1


@pytest.mark.parametrize("prompt", [QUOTED, UNQUOTED, "two signs: 'one', 'two'"])
@pytest.mark.parametrize("guidance", [1.0, 1.5, 4.0])
def test_a_picture_of_any_guidance_equals_the_references(
    runner: DitRunner, reference: GlmImagePipeline, prompt: str, guidance: float
) -> None:
    claim = make_claim(steps=4, prompt=prompt, guidance=guidance)
    assert largest_difference(render(runner, claim), reference_render(reference, claim)) <= 1


@pytest.mark.parametrize(
    ("sizes", "guidance"),
    [
        ([(512, 544)], 1.5),
        ([(520, 520)], 1.5),  # no multiple of 16: the VAE sees it at 512x512
        ([(640, 512), (544, 768)], 1.5),
        ([(512, 512), (1024, 1056)], 1.0),
    ],
)
def test_an_edit_equals_the_references(
    runner: DitRunner, reference: GlmImagePipeline, sizes: Sequence[tuple[int, int]], guidance: float
) -> None:
    images = [photo_like(*size, seed=k) for k, size in enumerate(sizes)]
    claim = make_claim(height=320, guidance=guidance, prompt=QUOTED, images=images)
    assert largest_difference(render(runner, claim, images), reference_render(reference, claim, images)) <= 1


def test_bfloat16_takes_the_references_casts(load_reference: Callable[[torch.dtype], GlmImagePipeline]) -> None:
    """With a narrower VAE, because CPUs compute convolutions in bfloat16 slowly."""
    pipeline = load_reference(torch.bfloat16)
    torch.manual_seed(0)
    narrow = {**pipeline.vae.config, "block_out_channels": (4,) * 4, "norm_num_groups": 4}
    pipeline.register_modules(vae=AutoencoderKL.from_config(narrow).to(torch.bfloat16).eval())
    claim = make_claim(prompt=QUOTED, images=[PHOTO])
    expected = reference_render(pipeline, claim, [PHOTO])
    assert largest_difference(render(DitRunner(model_of(pipeline)), claim, [PHOTO]), expected) <= 1


def test_latents_are_normalised_by_the_checkpoints_statistics(
    load_reference: Callable[[torch.dtype], GlmImagePipeline],
) -> None:
    pipeline = load_reference(torch.float32)
    channels = range(pipeline.vae.config.latent_channels)
    statistics = {"latents_mean": [0.1 * k - 1 for k in channels], "latents_std": [0.5 + 0.1 * k for k in channels]}
    pipeline.vae.register_to_config(**statistics)
    claim = make_claim(prompt=QUOTED, images=[PHOTO])
    expected = reference_render(pipeline, claim, [PHOTO])
    assert largest_difference(render(DitRunner(model_of(pipeline)), claim, [PHOTO]), expected) <= 1


def test_a_seed_is_seen_in_the_picture(runner: DitRunner) -> None:
    claim = make_claim()
    assert largest_difference(render(runner, claim), render(runner, dataclasses.replace(claim, seed=12))) > 8


def test_renders_that_take_turns_equal_renders_alone(runner: DitRunner) -> None:
    claims = [(make_claim("text", prompt=QUOTED, seed=1), []), (make_claim("edit", seed=2, images=[PHOTO]), [PHOTO])]
    alone = [render(runner, claim, images) for claim, images in claims]
    states = [runner.start(claim, images) for claim, images in claims]
    while not all(state.is_done for state in states):
        for state in states:
            runner.denoise_step(state)
    for state, picture in zip(states, alone, strict=True):
        assert largest_difference(runner.decode(state), picture) <= 1
