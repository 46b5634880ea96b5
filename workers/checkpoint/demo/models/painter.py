"""Combines the DiT's transformer and glyph encoder in one module, and paints sample pictures during training.

Runs no training itself.
"""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import torch
from torch import Tensor, nn

from workers.checkpoint.demo.dit_batches import doubled
from workers.checkpoint.demo.models import dit as dit_model
from workers.checkpoint.demo.models.encoders import Encoders, tensors_of
from workers.checkpoint.demo.models.layers import training_layers
from workers.checkpoint.demo.models.precision import mixed_precision
from workers.checkpoint.demo.models.probe import Probe
from workers.checkpoint.demo.world.pixels import to_picture
from workers.checkpoint.demo.world.scenes import LETTERS, Scene, random_scene

_CELLS = (8, 8)
_SIDE_PX = 256
_NUM_SHOWN, _COLUMNS = 12, 6
_NUM_STEPS, _GUIDANCE = 20, 1.5
_MOST_TOKENS = 32  # most rows or columns of DiT tokens


class Painter(nn.Module):
    """The DiT's transformer and glyph encoder, with two probes for training.

    `probe` predicts a DiT token's row, column and quarter: which of the 2x2 DiT tokens of a visual token it is.
    `speller` predicts the letter that the DiT token shows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.transformer = dit_model.build_transformer()
        self.text_encoder = dit_model.build_text_encoder()
        self.probe = Probe(dit_model.WIDTH, (_MOST_TOKENS, _MOST_TOKENS, 4))
        self.speller = Probe(dit_model.WIDTH, (len(LETTERS),))


@torch.no_grad()
def show_painted(painter: Painter, encoders: Encoders, path: Path) -> None:
    """Saves an image with two rows: random scenes (backgrounds with shapes and words) drawn by code and, below, the
    same scenes painted by `painter`.

    The painter gets the visual tokens and the word of each scene.
    """
    scenes = [random_scene(Random(f"sheet {number}")) for number in range(_NUM_SHOWN)]
    painted = encoders.pictures(paint(painter, scenes, encoders))
    truth, _ = tensors_of(scenes, _CELLS)
    rows = [torch.cat(list(row), dim=2) for part in (truth, painted) for row in torch.split(part, _COLUMNS)]
    to_picture(torch.cat(rows, dim=1)).save(path)


@torch.no_grad()
def paint(painter: Painter, scenes: Sequence[Scene], encoders: Encoders) -> Tensor:
    """Paints the scenes (backgrounds with shapes and words) at 256x256 pixels and returns the latents.

    The visual tokens for the DiT are encoded from the same scenes drawn by code, so no AR model is needed.
    """
    codes = doubled(encoders.codes_of(scenes, _CELLS))
    with_words = dit_model.glyphs_of(painter.text_encoder, [scene.word for scene in scenes])
    without_words = dit_model.glyphs_of(painter.text_encoder, [""] * len(scenes))
    latents = torch.randn(len(scenes), 16, 32, 32, generator=torch.Generator().manual_seed(0))
    scheduler = dit_model.build_scheduler()
    times = torch.linspace(1000, 1, _NUM_STEPS + 1)[:-1].long().float()
    scheduler.set_timesteps(sigmas=(times / 1000).tolist(), mu=1.0)  # at this size, times equal noise levels
    for time in scheduler.timesteps:
        seen = _predicted(painter, latents, codes, time, with_words, is_dropped=False)
        unseen = _predicted(painter, latents, codes, time, without_words, is_dropped=True)
        latents = scheduler.step(unseen + _GUIDANCE * (seen - unseen), time, latents).prev_sample
    return latents


def _predicted(
    painter: Painter, latents: Tensor, codes: Tensor, time: Tensor, words: tuple[Tensor, Tensor], *, is_dropped: bool
) -> Tensor:
    """Returns the noise that the transformer predicts in `latents`.

    `words` has the states of the glyph encoder, and a mask that is False for padding. With `is_dropped` the transformer
    ignores the visual tokens, as the unconditional branch of guidance requires.
    """
    glyphs, is_real = words
    with mixed_precision(), training_layers(is_real):
        found: Tensor = painter.transformer(
            hidden_states=latents,
            encoder_hidden_states=glyphs,
            prior_token_id=codes,
            prior_token_drop=torch.full(codes.shape, is_dropped),
            timestep=(time - 1).expand(len(latents)),
            target_size=torch.full((len(latents), 2), float(_SIDE_PX)),
            crop_coords=torch.zeros(len(latents), 2),
        ).sample
    return found.float()
