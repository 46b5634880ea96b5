"""Estimates how much memory each stage needs, from the configuration files of a checkpoint. Loads no weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from diffusers import AutoencoderKL, GlmImageTransformer2DModel
from torch import nn
from transformers import GlmImageConfig, GlmImageForConditionalGeneration, GlmImageTextConfig, T5Config, T5EncoderModel

from workers.ar.model.loading import prepare
from workers.ar.plan import kv_budget
from workers.dit.byte_counts import decode_bytes, step_bytes, tiled_decode_bytes


@dataclass(frozen=True, slots=True)
class StageMemory:
    """The memory that one stage needs, in bytes.

    `weights` is exact. `reserved` is allocated when the worker starts. `working` estimates the most that a step takes
    beyond both.
    """

    weights: int
    reserved: int
    working: int

    @property
    def total(self) -> int:
        return self.weights + self.reserved + self.working


def ar_memory(
    folder: Path,
    dtype: torch.dtype,
    slots: int | None,
    kv_bytes: int | None,
    free_gpu_bytes: int | None,
    *,
    in_fp8: bool = False,
) -> StageMemory:
    """Returns the memory that an AR worker needs: its weights, and the key-value cache that the worker would reserve.

    The tensors of a decode step are not counted, since they take only megabytes. `in_fp8` says whether the layers of
    the text model are in FP8.
    """
    config = GlmImageConfig.from_pretrained(folder, subfolder="vision_language_encoder")
    with torch.device("meta"):
        network = prepare(GlmImageForConditionalGeneration(config).to(dtype), in_fp8=in_fp8)
    weights = _num_bytes(network)
    free = None if free_gpu_bytes is None else max(0, free_gpu_bytes - weights)
    _, reserved = kv_budget(slots, kv_bytes, _kv_bytes_per_token(config.text_config, dtype), free)
    return StageMemory(weights, reserved, 0)


def dit_memory(
    folder: Path,
    dtype: torch.dtype,
    width_px: int,
    height_px: int,
    *,
    fp8: Literal["all", "tiers"] | None = None,
    in_tiles: bool = False,
) -> StageMemory:
    """Returns the memory that a DiT worker needs for one picture of the given size: weights and working memory.

    The weights are those of transformer, VAE and text encoder. `fp8` says which renders use blocks in FP8: with `tiers`
    the worker holds a copy of the blocks beside those of the checkpoint. The working memory is that of a denoise
    step or of the VAE decode, whichever is larger. With `in_tiles` the VAE decodes the picture in tiles.
    """
    with torch.device("meta"):
        transformer = GlmImageTransformer2DModel.from_config(_config(GlmImageTransformer2DModel, folder, "transformer"))
        vae = AutoencoderKL.from_config(_config(AutoencoderKL, folder, "vae"))
        text_encoder = T5EncoderModel(T5Config.from_pretrained(folder, subfolder="text_encoder"))
    parts = [part.to(dtype) for part in (transformer, vae, text_encoder)]
    weights = sum(map(_num_bytes, parts))
    in_fp8 = sum(weight.numel() for weight in transformer.transformer_blocks.parameters())  # one byte for a weight
    if fp8 == "all":
        weights -= _num_bytes(transformer.transformer_blocks) - in_fp8
    elif fp8 == "tiers":
        weights += in_fp8
    size = dtype.itemsize
    width = transformer.config.num_attention_heads * transformer.config.attention_head_dim
    step = step_bytes((width_px // 16) * (height_px // 16), width, size)
    bytes_of = tiled_decode_bytes if in_tiles else decode_bytes
    decode = bytes_of(width_px, height_px, vae.config.block_out_channels[1], size)
    return StageMemory(weights, 0, max(step, decode))


def _kv_bytes_per_token(text_config: GlmImageTextConfig, dtype: torch.dtype) -> int:
    """Returns the bytes of the key-value cache for one token, computed from the configuration of the AR model.

    The result equals `workers.ar.model.runner.kv_bytes_per_token`, which needs a loaded model.
    """
    head_size = text_config.hidden_size // text_config.num_attention_heads
    return int(2 * text_config.num_hidden_layers * text_config.num_key_value_heads * head_size * dtype.itemsize)


def _config(kind: type[GlmImageTransformer2DModel] | type[AutoencoderKL], folder: Path, part: str) -> object:
    return kind.load_config(folder, subfolder=part)


def _num_bytes(module: nn.Module) -> int:
    return sum(weight.numel() * weight.element_size() for weight in module.parameters())
