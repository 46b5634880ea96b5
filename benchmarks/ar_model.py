"""Builds AR models for benchmarks: the real classes with random weights. Downloads nothing."""

import torch
from diffusers import GlmImagePipeline
from transformers import GlmImageForConditionalGeneration, GlmImageProcessor

from workers.ar.control_tokens import ControlTokens
from workers.ar.model.loading import ArModel, Sampling, prepare
from workers.checkpoint.ar_parts import ArShape, build_processor, build_vision_language_encoder

# About a tenth of the real model's width and a fifth of its depth, with its ratios. A step reads 35 million weights.
MID = ArShape(512, 1712, 8, 8, 2, (4, 6, 6), lm_head_scale=6.0)
# The size of GLM-Image's text model: 16.5 GB in bfloat16, and 40 KiB of KV memory for each token.
FULL = ArShape(4096, 13_696, 40, 32, 2, (8, 12, 12), lm_head_scale=2.0)


def build_model(shape: ArShape, device: torch.device, dtype: torch.dtype) -> ArModel:
    """Returns a model in the form that a worker uses.

    The weights come from a fixed seed, so every call returns the same.
    """
    processor = build_processor()
    network = prepare(_build_network(processor, shape, device, dtype))
    sampling = Sampling(0.9, 16_512, 0.75, network.config.vq_config.num_embeddings)
    return ArModel(network, processor, sampling, ControlTokens(processor.tokenizer.get_added_vocab()))


def build_reference(shape: ArShape, device: torch.device, dtype: torch.dtype) -> GlmImagePipeline:
    """Returns diffusers' unchanged pipeline with the same weights and without its DiT half."""
    processor = build_processor()
    return GlmImagePipeline(
        tokenizer=None,
        processor=processor,
        text_encoder=None,
        vision_language_encoder=_build_network(processor, shape, device, dtype),
        vae=None,
        transformer=None,
        scheduler=None,
    )


def _build_network(
    processor: GlmImageProcessor, shape: ArShape, device: torch.device, dtype: torch.dtype
) -> GlmImageForConditionalGeneration:
    """Builds the network directly on its device, so that the full size does not pass through host memory."""
    torch.manual_seed(0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            return build_vision_language_encoder(processor, shape)
    finally:
        torch.set_default_dtype(default)
