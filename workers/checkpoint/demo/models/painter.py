"""The DiT's two trained parts as one module, and the pictures it paints while it is trained. Trains nothing."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import torch
from torch import Tensor, nn

from workers.checkpoint.demo.dit_batches import doubled
from workers.checkpoint.demo.models import dit as dit_model
from workers.checkpoint.demo.models.attention import plain_attention
from workers.checkpoint.demo.models.encoders import Encoders, tensors_of
from workers.checkpoint.demo.models.probe import Probe
from workers.checkpoint.demo.world.pixels import to_picture
from workers.checkpoint.demo.world.scenes import LETTERS, Scene, random_scene

_CELLS = (8, 8)
_SIDE_PX = 256
_NUM_SHOWN, _COLUMNS = 12, 6
_NUM_STEPS, _GUIDANCE = 20, 1.5
_MOST_TOKENS = 32  # rows or columns of DiT tokens


class Painter(nn.Module):
    """Transformer and glyph encoder.

    `probe` guesses a DiT token's row, column and quarter of a visual token; `speller` guesses the letter that it shows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.transformer = dit_model.build_transformer()
        self.text_encoder = dit_model.build_text_encoder()
        self.probe = Probe(dit_model.WIDTH, (_MOST_TOKENS, _MOST_TOKENS, 4))
        self.speller = Probe(dit_model.WIDTH, (len(LETTERS),))


@torch.no_grad()
def show_painted(painter: Painter, encoders: Encoders, path: Path) -> None:
    """Saves scenes above what the painter makes of their visual tokens and words."""
    scenes = [random_scene(Random(f"sheet {number}")) for number in range(_NUM_SHOWN)]
    painted = encoders.pictures(paint(painter, scenes, encoders))
    truth, _ = tensors_of(scenes, _CELLS)
    rows = [torch.cat(list(row), dim=2) for part in (truth, painted) for row in torch.split(part, _COLUMNS)]
    to_picture(torch.cat(rows, dim=1)).save(path)


@torch.no_grad()
def paint(painter: Painter, scenes: Sequence[Scene], encoders: Encoders) -> Tensor:
    """Latents of the scenes at 256x256, from the visual tokens of the scenes themselves."""
    codes = doubled(encoders.codes(tensors_of(scenes, _CELLS)[1]))
    told = dit_model.glyphs_of(painter.text_encoder, [scene.word for scene in scenes])
    untold = dit_model.glyphs_of(painter.text_encoder, [""] * len(scenes))
    latents = torch.randn(len(scenes), 16, 32, 32, generator=torch.Generator().manual_seed(0))
    scheduler = dit_model.build_scheduler()
    times = torch.linspace(1000, 1, _NUM_STEPS + 1)[:-1].long().float()
    scheduler.set_timesteps(sigmas=(times / 1000).tolist(), mu=1.0)  # at this size, times and noise levels agree
    for time in scheduler.timesteps:
        seen = _predicted(painter, latents, codes, time, told, is_dropped=False)
        unseen = _predicted(painter, latents, codes, time, untold, is_dropped=True)
        latents = scheduler.step(unseen + _GUIDANCE * (seen - unseen), time, latents).prev_sample
    return latents


def _predicted(
    painter: Painter, latents: Tensor, codes: Tensor, time: Tensor, words: tuple[Tensor, Tensor], *, is_dropped: bool
) -> Tensor:
    """`words` are glyphs, and which of them are real."""
    glyphs, is_real = words
    with torch.autocast("cpu", torch.bfloat16), plain_attention(is_real):
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
