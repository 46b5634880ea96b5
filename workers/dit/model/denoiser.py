"""Predicts noise with the blocks of the diffusion transformer. Some inputs are computed only once for each picture size
or render.

It knows nothing of schedulers and guidance.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from diffusers.models.transformers.transformer_glm_image import GlmImageKVCache
from torch import Tensor

from workers.dit.model.blocks import BlockInputs, Blocks, RunBlocks
from workers.dit.model.loading import DitModel
from workers.dit.model.step_cache import StepCache


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """One guidance branch of a render: the inputs that all denoise steps of the render share, projected to the
    transformer's width.

    `glyphs` (1, glyph tokens, width) are the embeddings of quoted text. `prior` (1, image tokens, width) are the
    embeddings of the token grid. In the unconditional branch, `prior` has only one token, which stands for all image
    tokens. `in_fp8` says whether the branch uses the copy of the blocks in FP8.
    """

    glyphs: Tensor
    prior: Tensor
    conditions: GlmImageKVCache | None = None
    step_cache: StepCache | None = None
    in_fp8: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One guidance branch of a render at one denoise step: the input for one prediction of noise.

    `latents` is (1, channels, height / 8, width / 8), `time` is (1, time_embed_dim).
    """

    latents: Tensor
    time: Tensor
    branch: Branch

    def fits(self, other: "Row") -> bool:
        """Returns whether one forward pass can take both rows without padding. Rows that would need padding don't fit,
        because padding would change the picture.
        """
        return (
            self.latents.shape == other.latents.shape
            and self.branch.glyphs.shape == other.branch.glyphs.shape
            and self.branch.conditions is other.branch.conditions
            and self.branch.in_fp8 == other.branch.in_fp8
            and self.branch.step_cache is other.branch.step_cache is None
        )


class Denoiser:
    """Predicts the noise of rows. It does what `GlmImageTransformer2DModel.forward` does (transformer_glm_image.py of
    diffusers), but in parts, so that some inputs are computed only once.
    """

    def __init__(self, model: DitModel, run_blocks: RunBlocks | None = None) -> None:
        """Creates the denoiser. `run_blocks` runs the transformer's blocks, by default on the model's own device."""
        self._model = model
        self._transformer = model.transformer
        self._run_blocks = run_blocks or Blocks(model.transformer, model.device, model.fp8_blocks)

    def conditional(
        self,
        glyphs: Tensor,
        token_ids: Tensor,
        conditions: GlmImageKVCache | None,
        step_cache: StepCache | None,
        *,
        in_fp8: bool = False,
    ) -> Branch:
        """Returns the inputs of the conditional guidance branch of a render: quoted text of the prompt, token grid and
        condition images.

        `glyphs` (1, tokens, text_embed_dim) are the embeddings of the quoted text, `token_ids` (1, image tokens) the
        token grid.
        """
        prior = self._transformer.prior_projector(self._transformer.prior_token_embedding(token_ids))
        return Branch(self._transformer.glyph_projector(glyphs), prior, conditions, step_cache, in_fp8)

    def unconditional(self, empty_glyphs: Tensor, step_cache: StepCache | None, *, in_fp8: bool = False) -> Branch:
        """Returns the unconditional branch of a render, which uses no quoted text, no token grid and no condition
        images.
        """
        glyphs = self._transformer.glyph_projector(empty_glyphs)
        return Branch(glyphs, self._dropped_prior, None, step_cache, in_fp8)

    def embed_times(self, timesteps: Tensor, width_px: int, height_px: int) -> Tensor:
        """Returns the embeddings of the times of all steps of a render: (steps, time_embed_dim)."""
        target_size = torch.tensor([[height_px, width_px]], dtype=self._model.dtype, device=self._model.device)
        target_size = target_size.expand(len(timesteps), -1)
        times: Tensor = self._transformer.time_condition_embed(
            timesteps - 1, target_size, torch.zeros_like(target_size), self._model.dtype
        )
        return times

    def predict(self, rows: Sequence[Row], max_rows: int) -> list[Tensor]:
        """Returns the noise of every row, as float32 in the shape of the row's latents. A forward pass takes up to
        `max_rows` rows.
        """
        noises: dict[int, Tensor] = {}
        for group in _passes(rows, max_rows):
            noises.update(zip(group, self._pass([rows[index] for index in group]), strict=True))
        return [noises[index] for index in range(len(rows))]

    def _pass(self, rows: Sequence[Row]) -> Sequence[Tensor]:
        step_cache = rows[0].branch.step_cache
        if step_cache is None:
            return list(torch.split(self._forward(rows), 1))
        return [step_cache(lambda: self._forward(rows))]

    def _forward(self, rows: Sequence[Row]) -> Tensor:
        latents = _stacked([row.latents for row in rows])
        hidden = self._transformer.image_projector(latents.to(self._model.dtype))
        hidden = hidden + _stacked([row.branch.prior.expand(1, *hidden.shape[1:]) for row in rows])
        inputs = BlockInputs(
            hidden=hidden,
            glyphs=_stacked([row.branch.glyphs for row in rows]),
            time=_stacked([row.time for row in rows]),
            size=(latents.shape[-2], latents.shape[-1]),
            conditions=rows[0].branch.conditions,
            in_fp8=rows[0].branch.in_fp8,
        )
        return self._unpatched(self._run_blocks(inputs), latents.shape).float()

    def _unpatched(self, patches: Tensor, shape: torch.Size) -> Tensor:
        """Converts the transformer's output (rows, image tokens, channels * patch^2) to (rows, channels, height / 8,
        width / 8).
        """
        patch = self._transformer.config.patch_size
        rows, _, height, width = shape
        patches = patches.view(rows, height // patch, width // patch, -1, patch, patch)
        return patches.permute(0, 3, 1, 4, 2, 5).reshape(rows, -1, height, width)

    @cached_property
    def _dropped_prior(self) -> Tensor:
        """The embedding that takes the place of the token grid in the unconditional branch, projected to the
        transformer's width. It is computed from a row of zeros instead of token embeddings.

        It is the same for every token and render.
        """
        embedding = self._transformer.prior_token_embedding.weight
        prior: Tensor = self._transformer.prior_projector(embedding.new_zeros(1, 1, embedding.shape[1]))
        return prior


def _stacked(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def _passes(rows: Sequence[Row], max_rows: int) -> Iterator[Sequence[int]]:
    """Yields the indices of the rows of each forward pass: up to `max_rows` rows that fit together."""
    waiting = list(range(len(rows)))
    while waiting:
        fitting = [index for index in waiting if rows[index].fits(rows[waiting[0]])]
        group = fitting[:max_rows] or waiting[:1]
        yield group
        waiting = [index for index in waiting if index not in group]
