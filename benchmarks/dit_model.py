"""Builds DiT models for benchmarks: the real classes with random weights. Downloads nothing."""

from collections.abc import Callable
from typing import TypeVar

import torch
from diffusers import GlmImagePipeline

from workers.checkpoint import dit_parts
from workers.checkpoint.dit_parts import DitShape
from workers.dit.model.loading import DitModel, arrange_for_cpu

Part = TypeVar("Part")

MID = DitShape(num_layers=6, num_heads=8, head_dim=64, text_embed_dim=64, time_embed_dim=512, condition_dim=256)
# The size of GLM-Image's transformer: 7 billion weights, and 58 TFLOP for a forward pass at 1024x1024.
FULL = DitShape(num_layers=30, num_heads=32, head_dim=128, text_embed_dim=1472, time_embed_dim=512, condition_dim=256)


def build_reference(shape: DitShape, device: torch.device, dtype: torch.dtype) -> GlmImagePipeline:
    """Returns diffusers' unchanged pipeline without its AR half.

    The weights come from a fixed seed, so every call returns the same.
    """
    torch.manual_seed(0)
    tokenizer = dit_parts.build_glyph_tokenizer()
    pipeline = GlmImagePipeline(
        tokenizer=tokenizer,
        processor=None,
        text_encoder=_built_on(device, dtype, lambda: dit_parts.build_text_encoder(tokenizer, shape.text_embed_dim)),
        vision_language_encoder=None,
        vae=_built_on(device, dtype, dit_parts.build_vae),
        transformer=_built_on(device, dtype, lambda: dit_parts.build_transformer(shape)),
        scheduler=dit_parts.build_scheduler(),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def build_model(shape: DitShape, device: torch.device, dtype: torch.dtype) -> DitModel:
    """Returns a model with the same weights in the form that a worker uses."""
    model = share_model(build_reference(shape, device, dtype))
    if device.type == "cpu":
        arrange_for_cpu(model.transformer, model.vae, model.text_encoder)
    return model


def share_model(pipeline: GlmImagePipeline) -> DitModel:
    """Returns a model with the pipeline's own modules, because memory has room for only one set at full size."""
    return DitModel(
        transformer=pipeline.transformer,
        vae=pipeline.vae,
        text_encoder=pipeline.text_encoder,
        tokenizer=pipeline.tokenizer,
        scheduler_config=pipeline.scheduler.config,
        device=pipeline.device,
        dtype=pipeline.dtype,
    )


def _built_on(device: torch.device, dtype: torch.dtype, build: Callable[[], Part]) -> Part:
    """Builds the part directly on its device, since the full size may not fit into host memory."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            return build()
    finally:
        torch.set_default_dtype(default)
