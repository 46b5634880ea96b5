"""Loads all parts of a GLM-Image checkpoint except the AR model, and places them on a device. It computes nothing."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, GlmImageTransformer2DModel
from diffusers.image_processor import VaeImageProcessor
from transformers import ByT5Tokenizer, T5EncoderModel

from shared.errors import MissingCheckpoint
from workers.device.packed_linear import pack_linears
from workers.dit.model.diffusers_weights import load_with_diffusers
from workers.model.download import HOW_TO_GET_ONE
from workers.model.source import check_parts
from workers.model.weights import OnBytes, ignore_bytes, load_with_transformers

DIT_PARTS = ("transformer", "vae", "text_encoder", "tokenizer", "scheduler")


@dataclass(frozen=True, slots=True)
class DitModel:
    """The DiT half of a checkpoint. The weights of all its parts have the type `dtype`. The transformer always stays on
    `device`.

    The VAE decodes pictures of more than `tile_above_px` pixels in tiles. None means that it decodes each at once.
    `fp8_blocks` is a copy of the transformer's blocks in FP8, for qualities other than `exact`, or None.
    """

    transformer: GlmImageTransformer2DModel
    vae: AutoencoderKL
    text_encoder: T5EncoderModel
    tokenizer: ByT5Tokenizer
    scheduler_config: Mapping[str, Any]
    device: torch.device
    dtype: torch.dtype
    low_memory: bool = False
    tile_above_px: int | None = None
    fp8_blocks: torch.nn.ModuleList | None = None

    def tiles(self, width_px: int, height_px: int) -> bool:
        """Returns whether the VAE decodes a picture of this size in tiles."""
        return self.tile_above_px is not None and width_px * height_px > self.tile_above_px

    @property
    def vae_scale_factor(self) -> int:
        """The side in pixels of the square that one latent covers: 8."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def token_px(self) -> int:
        """The side in pixels of the square that one DiT token covers: 16."""
        return self.vae_scale_factor * self.transformer.config.patch_size

    @property
    def num_codes(self) -> int:
        """The number of codes that the transformer can embed. A token grid contains ids from 0 to `num_codes` - 1."""
        num_codes: int = self.transformer.config.prior_vq_quantizer_codebook_size
        return num_codes

    @property
    def image_processor(self) -> VaeImageProcessor:
        return VaeImageProcessor(vae_scale_factor=self.vae_scale_factor)

    @contextmanager
    def on_device(self, module: torch.nn.Module) -> Iterator[None]:
        """Moves the text encoder or the VAE to the device for the body of the `with` statement.

        With `low_memory` the module returns to host memory afterwards.
        """
        module.to(self.device)
        try:
            yield
        finally:
            if self.low_memory:
                module.to("cpu")


def load_dit_model(
    folder: str,
    device: torch.device,
    dtype: torch.dtype,
    *,
    low_memory: bool = False,
    has_transformer_on_host: bool = False,
    on_bytes: OnBytes = ignore_bytes,
) -> DitModel:
    """Loads the DiT model from a folder with the layout of diffusers' `GlmImagePipeline`. On a CPU in float32, packs
    the weights for oneDNN. `on_bytes` is called with the bytes of each tensor that has arrived on the device.

    With `has_transformer_on_host` the transformer stays in host memory, for `apply_options`, which moves it to the
    device in FP8. Raises `MissingCheckpoint` if there is no checkpoint, or if a part of it is missing, unreadable or
    incomplete.
    """
    check_parts(folder, DIT_PARTS)
    part = Path(folder)
    resting = torch.device("cpu") if low_memory else device
    first = torch.device("cpu") if has_transformer_on_host else device
    transformer = load_with_diffusers(GlmImageTransformer2DModel, part / "transformer", first, dtype, on_bytes)
    vae = load_with_diffusers(AutoencoderKL, part / "vae", resting, dtype, on_bytes)
    text_encoder = load_with_transformers(T5EncoderModel, part / "text_encoder", resting, dtype, on_bytes)
    if device.type == "cpu" and dtype == torch.float32:
        arrange_for_cpu(transformer, vae, text_encoder)
    return DitModel(
        transformer=transformer,
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=_small_part(ByT5Tokenizer, part / "tokenizer"),
        scheduler_config=_small_part(FlowMatchEulerDiscreteScheduler, part / "scheduler").config,
        device=device,
        dtype=dtype,
        low_memory=low_memory,
    )


def _small_part(kind: Any, part: Path) -> Any:
    """Returns a part of a checkpoint that has no weights. Raises `MissingCheckpoint`."""
    try:
        return kind.from_pretrained(part)
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise MissingCheckpoint(f"cannot load {part} ({reason}): {HOW_TO_GET_ONE}") from error


def arrange_for_cpu(transformer: torch.nn.Module, vae: torch.nn.Module, text_encoder: torch.nn.Module) -> None:
    """Reorders the weights of the models into the layouts that oneDNN reads fastest. Results are the same up to
    rounding.
    """
    for module in (transformer, vae, text_encoder):
        pack_linears(module)
    vae.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
