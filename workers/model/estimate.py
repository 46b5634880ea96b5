"""How much memory each stage needs, from a checkpoint's configuration alone. Loads no weights, computes no pictures."""

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, GlmImageTransformer2DModel
from torch import nn
from transformers import GlmImageConfig, GlmImageForConditionalGeneration, GlmImageTextConfig, T5Config, T5EncoderModel

from workers.ar.plan import kv_budget
from workers.dit.needs import decode_bytes, step_bytes


@dataclass(frozen=True, slots=True)
class StageMemory:
    """Bytes: `weights` is counted, `kept` booked at start, `working` an estimate of the most that a step takes."""

    weights: int
    kept: int
    working: int

    @property
    def total(self) -> int:
        return self.weights + self.kept + self.working


def ar_memory(
    folder: Path, dtype: torch.dtype, slots: int | None, kv_bytes: int | None, free_gpu_bytes: int | None
) -> StageMemory:
    """Weights and KV memory as an AR worker would plan it. A decode step's own tensors are megabytes."""
    config = GlmImageConfig.from_pretrained(folder, subfolder="vision_language_encoder")
    with torch.device("meta"):
        network = GlmImageForConditionalGeneration(config).to(dtype)
    weights = _num_bytes(network)
    free = None if free_gpu_bytes is None else max(0, free_gpu_bytes - weights)
    _, kept = kv_budget(slots, kv_bytes, _kv_bytes_per_token(config.text_config, dtype), free)
    return StageMemory(weights, kept, 0)


def dit_memory(folder: Path, dtype: torch.dtype, width_px: int, height_px: int, *, fp8: bool = False) -> StageMemory:
    """Transformer, VAE and text encoder, and the larger of a denoise step and a VAE decode of one picture."""
    with torch.device("meta"):
        transformer = GlmImageTransformer2DModel.from_config(_config(GlmImageTransformer2DModel, folder, "transformer"))
        vae = AutoencoderKL.from_config(_config(AutoencoderKL, folder, "vae"))
        text_encoder = T5EncoderModel(T5Config.from_pretrained(folder, subfolder="text_encoder"))
    parts = [part.to(dtype) for part in (transformer, vae, text_encoder)]
    weights = sum(map(_num_bytes, parts))
    if fp8:  # one byte a weight instead of two
        weights -= _num_bytes(transformer.transformer_blocks) // 2
    size = dtype.itemsize
    width = transformer.config.num_attention_heads * transformer.config.attention_head_dim
    step = step_bytes((width_px // 16) * (height_px // 16), width, size)
    decode = decode_bytes(width_px, height_px, vae.config.block_out_channels[1], size)
    return StageMemory(weights, 0, max(step, decode))


def _kv_bytes_per_token(text_config: GlmImageTextConfig, dtype: torch.dtype) -> int:
    """As `workers.ar.model.runner.kv_bytes_per_token` counts them of a loaded model."""
    head_size = text_config.hidden_size // text_config.num_attention_heads
    return int(2 * text_config.num_hidden_layers * text_config.num_key_value_heads * head_size * dtype.itemsize)


def _config(kind: type[GlmImageTransformer2DModel] | type[AutoencoderKL], folder: Path, part: str) -> object:
    return kind.load_config(folder, subfolder=part)


def _num_bytes(module: nn.Module) -> int:
    return sum(weight.numel() * weight.element_size() for weight in module.parameters())
