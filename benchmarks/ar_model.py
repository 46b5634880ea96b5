"""The mid-size AR model that CPU benchmarks run: random weights, the real classes, nothing downloaded."""

import torch
from diffusers import GlmImagePipeline

from workers.ar.model import ArModel, Sampling
from workers.checkpoint.ar_parts import ArShape, build_processor, build_vision_language_encoder

# A tenth of the real model's width and a fifth of its depth, with its ratios: 35 million weights are read per step.
MID = ArShape(512, 1712, 8, 8, 2, (4, 6, 6), lm_head_scale=6.0)


def build_mid_model() -> ArModel:
    """Seeded, on the CPU in float32."""
    torch.manual_seed(0)
    processor = build_processor()
    network = build_vision_language_encoder(processor, MID)
    return ArModel(network, processor, Sampling(0.9, 16_512, 0.75), tuple(processor.tokenizer.get_added_vocab()))


def reference_of(model: ArModel) -> GlmImagePipeline:
    """diffusers' pipeline over the same weights; its DiT half is left out."""
    return GlmImagePipeline(
        tokenizer=None,
        processor=model.processor,
        text_encoder=None,
        vision_language_encoder=model.network,
        vae=None,
        transformer=None,
        scheduler=None,
    )
