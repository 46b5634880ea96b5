"""Trains the DiT together with its glyph encoder.

The DiT makes latents from noise, visual tokens, the glyphs of quoted text and condition images.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import torch
from diffusers.models.transformers.transformer_glm_image import GlmImageKVCache
from torch import Tensor
from transformers import T5EncoderModel

from workers.checkpoint.demo.dit_batches import Batch, Batches, Cells, Sample
from workers.checkpoint.demo.loop import Recipe, load_earlier, train
from workers.checkpoint.demo.models import ar as ar_model
from workers.checkpoint.demo.models import dit as dit_model
from workers.checkpoint.demo.models.encoders import CELL_PX, Encoders
from workers.checkpoint.demo.models.layers import training_layers
from workers.checkpoint.demo.models.painter import Painter, show_painted
from workers.checkpoint.demo.models.precision import mixed_precision
from workers.checkpoint.demo.models.probe import UNKNOWN, outputs_of
from workers.checkpoint.demo.world.prompts import in_some_case

RECIPE = Recipe(num_steps=12_400, learning_rate=1.5e-3, falling=0.5, average=0.999, weight_decay=0.02, has_muon=True)
EARLIER = "dit_earlier.pt"  # weights of an earlier training, in the training folder
_PROBED, _PLACE_WEIGHT = 1, 0.2  # the block whose probe predicts places, and the weight of this probe's loss
_SPELLING, _LETTER_WEIGHT = 3, 0.3  # the block whose probe predicts letters, and the weight of this probe's loss
_DROPPED = 0.1  # share of pictures that are trained without tokens and glyphs, which guidance needs
_NOISY = (0.0, 2.0)  # two means of the times' logits, so that half of the pictures get much noise
_SPOILT = 0.04  # share of visual tokens that are replaced at random, because sampled grids have errors as well


def fit(folder: Path, encoders: Encoders, glyph_encoder: T5EncoderModel, most_minutes: float = math.inf) -> Painter:
    """Trains the DiT to the end and returns it. An interrupted run continues from its last save.

    A new run starts from the weights of an earlier training if the folder has them. Otherwise the glyph encoder starts
    from its trained weights. It is trained further.
    """
    torch.manual_seed(3)
    painter = Painter()
    painter.text_encoder.load_state_dict(glyph_encoder.state_dict())
    load_earlier(painter, folder / EARLIER)
    start_from_codebook(painter, encoders)
    batches = Batches(encoders)

    def loss(rng: Random, progress: float) -> Mapping[str, Tensor]:
        torch.manual_seed(rng.getrandbits(60))
        return loss_of(painter, batches.draw(rng, progress), rng)

    def show(averaged: Painter) -> None:
        show_painted(averaged, encoders, folder / "dit.png")

    return train(painter, loss, replace(RECIPE, most_minutes=most_minutes), folder / "dit.pt", on_save=show)


@torch.no_grad()
def start_from_codebook(painter: Painter, encoders: Encoders) -> None:
    """Initialises the transformer's embeddings of the visual tokens.

    Codes that decode to a similar look get similar embeddings, so what is learned for one code helps the others.
    """
    rows = painter.transformer.prior_token_embedding.weight
    rows.copy_(encoders.embeddings(rows.shape[1], seed=4))


def loss_of(painter: Painter, batch: Batch, rng: Random) -> Mapping[str, Tensor]:
    """Returns the training loss of the DiT for a batch, with the terms of the loss.

    The loss is the error of the predicted noise plus the weighted losses of the probes (outputs that only training
    uses). The random noise and times come from torch's global random generator.
    """
    num = len(batch.samples)
    is_dropped = torch.rand(num, 1) < (0.0 if batch.before else _DROPPED)
    blocks = painter.transformer.transformer_blocks
    with mixed_precision():
        with training_layers():
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
    """Returns the row, the column and the quarter of each DiT token of a picture, with shape (tokens, 3).

    `cells` are the picture's numbers of rows and columns of visual tokens. A visual token covers 2x2 DiT tokens. The
    quarter, from 0 to 3, says which of these four a DiT token is.
    """
    rows, cols = torch.cartesian_prod(*(torch.arange(2 * side) for side in cells)).T
    return torch.stack((rows, cols, 2 * (rows % 2) + cols % 2), dim=1)


def _error(painter: Painter, batch: Batch, rng: Random, seen: GlmImageKVCache | None, is_dropped: Tensor) -> Tensor:
    """Returns the weighted mean squared error of the noise that the transformer predicts for the training batch."""
    latents, codes = _stacked(batch.samples)
    num = len(batch.samples)
    spoilt = torch.rand(codes.shape) < _SPOILT
    codes = torch.where(spoilt, torch.randint_like(codes, ar_model.NUM_CODES), codes)
    noise, (time, sigma) = torch.randn_like(latents), times_and_sigmas(num, batch.cells)
    words = [
        "" if dropped else in_some_case(one.word, rng) for one, dropped in zip(batch.samples, is_dropped, strict=True)
    ]
    glyphs, is_real = dit_model.glyphs_of(painter.text_encoder, words)
    with training_layers(None if bool(is_real.all()) else is_real):
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
    """Runs the transformer on the condition images of each sample, and returns the keys and values of its attention.

    As in the pipeline, this is one pass without noise.
    """
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
    """Draws a random time for each of `num` training pictures. Returns the times, which are an input of the
    transformer, and the noise levels (sigmas) of the pictures.

    Times are logit-normal. A noise level is a time that is shifted by the picture's size, as in sampling. High noise is
    drawn more often, because only then the transformer must take shapes and letters from visual tokens and glyphs.
    """
    means = torch.tensor(_NOISY)[torch.randint(len(_NOISY), (num, 1, 1, 1))]
    time = torch.sigmoid(torch.randn(num, 1, 1, 1) + means)
    shift = (4 * cells[0] * cells[1] / 256) ** 0.5 * 0.75 + 0.25
    return time, shift * time / (1 + (shift - 1) * time)
