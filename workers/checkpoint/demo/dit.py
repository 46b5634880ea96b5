"""Trains the DiT and its glyph encoder: noise to latents, told by visual tokens, quoted text and condition pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import torch
from diffusers.models.transformers.transformer_glm_image import GlmImageKVCache
from torch import Tensor
from transformers import T5EncoderModel

from workers.checkpoint.demo.dit_batches import Batch, Batches, Cells, Sample
from workers.checkpoint.demo.loop import Recipe, train
from workers.checkpoint.demo.models import ar as ar_model
from workers.checkpoint.demo.models import dit as dit_model
from workers.checkpoint.demo.models.attention import plain_attention
from workers.checkpoint.demo.models.encoders import CELL_PX, Encoders
from workers.checkpoint.demo.models.painter import Painter, show_painted
from workers.checkpoint.demo.models.probe import UNKNOWN, outputs_of
from workers.checkpoint.demo.world.prompts import in_some_case

RECIPE = Recipe(num_steps=20_000, learning_rate=1.5e-3, average=0.999, weight_decay=0.02, has_muon=True)
_PROBED, _PLACE_WEIGHT = 1, 0.2  # a block, and what its guesses of places count
_SPELLING, _LETTER_WEIGHT = 3, 0.1  # and of letters
_DROPPED = 0.1  # of pictures: without tokens and glyphs, for guidance
_NOISY = (0.0, 2.0)  # means of the times' logits: one half of all pictures has more noise than the other
_SPOILT = 0.04  # of visual tokens: another one, since sampled grids are not perfect


def fit(folder: Path, encoders: Encoders, glyph_encoder: T5EncoderModel) -> Painter:
    """Trains to the end, or goes on. The glyph encoder knows its letters already, and learns on."""
    torch.manual_seed(3)
    painter = Painter()
    painter.text_encoder.load_state_dict(glyph_encoder.state_dict())
    start_from_codebook(painter, encoders)
    batches = Batches(encoders)

    def loss(rng: Random, progress: float) -> Mapping[str, Tensor]:
        torch.manual_seed(rng.getrandbits(60))
        return loss_of(painter, batches.draw(rng, progress), rng)

    def show(averaged: Painter) -> None:
        show_painted(averaged, encoders, folder / "dit.png")

    return train(painter, loss, RECIPE, folder / "dit.pt", on_save=show)


@torch.no_grad()
def start_from_codebook(painter: Painter, encoders: Encoders) -> None:
    """Codes that look alike get embeddings that are alike, so that what is learned of one is learned of the other."""
    rows = painter.transformer.prior_token_embedding.weight
    rows.copy_(encoders.embeddings(rows.shape[1], seed=4))


def loss_of(painter: Painter, batch: Batch, rng: Random) -> Mapping[str, Tensor]:
    """How far the predicted noise is off, and the probes' guesses. Noise and times come from torch's generator."""
    num = len(batch.samples)
    is_dropped = torch.rand(num, 1) < (0.0 if batch.before else _DROPPED)
    blocks = painter.transformer.transformer_blocks
    with torch.autocast("cpu", torch.bfloat16), plain_attention():
        seen = _seen(painter, batch.before) if batch.before else None
        with outputs_of(blocks[_PROBED], blocks[_SPELLING]) as states:
            error = _error(painter, batch, rng, seen, is_dropped)
    early, late = (one.flatten(0, 1) for one in states)
    letters = torch.stack([one.letters for one in batch.samples]).masked_fill(is_dropped, UNKNOWN)
    place = painter.probe.loss(early, places_of(batch.cells).repeat(num, 1))
    letter = painter.speller.loss(late, letters.view(-1, 1))
    loss = error + _PLACE_WEIGHT * place + _LETTER_WEIGHT * letter
    return {"loss": loss, "error": error, "place": place, "letter": letter}


def places_of(cells: Cells) -> Tensor:
    """(DiT tokens, 3): row, column, and which quarter of its visual token each DiT token is."""
    rows, cols = torch.cartesian_prod(*(torch.arange(2 * side) for side in cells)).T
    return torch.stack((rows, cols, 2 * (rows % 2) + cols % 2), dim=1)


def _error(painter: Painter, batch: Batch, rng: Random, seen: GlmImageKVCache | None, is_dropped: Tensor) -> Tensor:
    latents, codes = _stacked(batch.samples)
    num = len(batch.samples)
    spoilt = torch.rand(codes.shape) < _SPOILT
    codes = torch.where(spoilt, torch.randint_like(codes, ar_model.NUM_CODES), codes)
    noise, (time, sigma) = torch.randn_like(latents), times_and_sigmas(num, batch.cells)
    words = [
        "" if dropped else in_some_case(one.word, rng) for one, dropped in zip(batch.samples, is_dropped, strict=True)
    ]
    glyphs, is_real = dit_model.glyphs_of(painter.text_encoder, words)
    with plain_attention(None if bool(is_real.all()) else is_real):
        predicted = painter.transformer(
            hidden_states=(1 - sigma) * latents + sigma * noise,
            encoder_hidden_states=glyphs,
            prior_token_id=codes,
            prior_token_drop=is_dropped.expand(codes.shape),
            timestep=1000 * time.flatten() - 1,
            target_size=torch.tensor([[float(side * CELL_PX) for side in batch.cells]]).repeat(num, 1),
            crop_coords=torch.zeros(num, 2),
            kv_caches=seen,
        ).sample
    error = (predicted.float() - (noise - latents)).square()
    return (error * torch.stack([one.weights for one in batch.samples])).mean()


def _seen(painter: Painter, before: Sequence[Sequence[Sample]]) -> GlmImageKVCache:
    """Keys and values of each sample's condition pictures: one clean pass each, as in the pipeline."""
    seen = GlmImageKVCache(painter.transformer.config.num_layers)
    seen.set_mode("write")
    for pictures in before:
        for picture in pictures:
            latents, codes = _stacked([picture])
            painter.transformer(
                hidden_states=latents,
                encoder_hidden_states=torch.zeros(1, 0, dit_model.GLYPH_WIDTH),
                prior_token_id=codes,
                prior_token_drop=torch.zeros_like(codes, dtype=torch.bool),
                timestep=torch.zeros(1),
                target_size=torch.tensor([latents.shape[-2:]]) * 8,
                crop_coords=torch.zeros(1, 2),
                kv_caches=seen,
            )
        seen.next_sample()
    seen.set_mode("read")
    return seen


def _stacked(samples: Sequence[Sample]) -> tuple[Tensor, Tensor]:
    return torch.stack([one.latents for one in samples]), torch.stack([one.codes for one in samples])


def times_and_sigmas(num: int, cells: Cells) -> tuple[Tensor, Tensor]:
    """Logit-normal times, of which the model is told, and their noise levels: shifted by size, as in sampling.

    While there is much noise, visual tokens and glyphs alone tell shapes and letters, so those times come more often.
    """
    means = torch.tensor(_NOISY)[torch.randint(len(_NOISY), (num, 1, 1, 1))]
    time = torch.sigmoid(torch.randn(num, 1, 1, 1) + means)
    shift = (4 * cells[0] * cells[1] / 256) ** 0.5 * 0.75 + 0.25
    return time, shift * time / (1 + (shift - 1) * time)
