"""Runs the blocks of the diffusion transformer on one device. It knows nothing of renders and guidance."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import torch
from diffusers import GlmImageTransformer2DModel
from diffusers.models.transformers.transformer_glm_image import GlmImageKVCache
from torch import Tensor, nn

_CACHED_SIZES = 16  # rotary tables in the cache; a table for 1024x1024 takes 4 MiB


@dataclass(frozen=True, slots=True, eq=False)
class BlockInputs:
    """The inputs of a forward pass through the blocks.

    `hidden` is (rows, image tokens, width), `glyphs` (rows, glyph tokens, width), `time` (rows, time_embed_dim).
    `size` is the height and width of the latents. `conditions` are the keys and values of condition images. `in_fp8`
    says whether the pass uses the copy of the blocks in FP8.
    """

    hidden: Tensor
    glyphs: Tensor
    time: Tensor
    size: tuple[int, int]
    conditions: GlmImageKVCache | None = None
    in_fp8: bool = False


class RunBlocks(Protocol):
    """Takes the inputs of a forward pass, and returns patches (rows, image tokens, channels * patch^2)."""

    def __call__(self, inputs: BlockInputs) -> Tensor: ...


class Blocks:
    """The blocks and the output layers of a transformer on one device."""

    def __init__(
        self,
        transformer: GlmImageTransformer2DModel,
        device: torch.device,
        fp8_blocks: nn.ModuleList | None = None,
    ) -> None:
        self._transformer = transformer
        self._device = device
        self._fp8_blocks = fp8_blocks
        self.rope = lru_cache(_CACHED_SIZES)(self._make_rope)

    def __call__(self, inputs: BlockInputs) -> Tensor:
        return self.run(inputs, self.rope(*inputs.size))

    def run(self, inputs: BlockInputs, rope: Sequence[Tensor], split: object = None) -> Tensor:
        """Returns patches for the image tokens of the inputs. `rope` has the rotary cosines and sines of these tokens.

        `split` is handed to the attention, if it divides tokens among devices (`workers.dit.sequence.attention`).
        """
        hidden, glyphs = inputs.hidden, inputs.glyphs
        options = None if split is None else {"split": split}
        for index, block in enumerate(self._blocks(in_fp8=inputs.in_fp8)):
            kv_cache = inputs.conditions[index] if inputs.conditions is not None else None
            hidden, glyphs = block(hidden, glyphs, inputs.time, tuple(rope), None, options, kv_cache=kv_cache)
        network = self._transformer
        patches: Tensor = network.proj_out(network.norm_out(hidden, inputs.time))
        return patches

    def _blocks(self, *, in_fp8: bool) -> Iterable[nn.Module]:
        if not in_fp8:
            blocks: nn.ModuleList = self._transformer.transformer_blocks
            return blocks
        assert self._fp8_blocks is not None
        return self._fp8_blocks

    def _make_rope(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Returns the rotary cosines and sines for latents of this height and width, on the device.

        diffusers' own code would compute them on the CPU in every forward pass.
        """
        cos, sin = self._transformer.rope(torch.empty(1, 1, height, width, device="meta"))
        return cos.to(self._device), sin.to(self._device)
