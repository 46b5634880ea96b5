"""Builds the AR part of the small checkpoint with random weights: the AR model and its Hugging Face processor."""

from dataclasses import dataclass

import torch
from transformers import (
    GenerationConfig,
    GlmImageConfig,
    GlmImageForConditionalGeneration,
    GlmImageImageProcessorPil,
    GlmImageProcessor,
    PreTrainedTokenizerFast,
)

from shared.geometry import CODEBOOK_SIZE
from workers.checkpoint.tokenizer import NUM_CONTROL_IDS, build_tokenizer, chat_template

_PATCH_PX = 16


@dataclass(frozen=True, slots=True)
class ArShape:
    """The size of the AR model's language model.

    `mrope_section` is the number of rotary frequencies of a head that encode time, row and column. `lm_head_scale`
    multiplies the default weights of the output layer, so that the logits have a spread of 2.7. With flatter logits,
    half of the sampled tokens would not depend on the prompt. Top-p sampling would then also keep thousands of codes,
    but a trained model keeps few.
    """

    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    mrope_section: tuple[int, int, int]
    lm_head_scale: float


TINY = ArShape(128, 256, 4, 4, 2, (2, 3, 3), lm_head_scale=12.0)


def build_processor(num_codes: int = CODEBOOK_SIZE) -> GlmImageProcessor:
    """Returns the Hugging Face processor of the small checkpoint, with a tokenizer for `num_codes` codes."""
    return processor_of(build_tokenizer(num_codes))


def processor_of(tokenizer: PreTrainedTokenizerFast) -> GlmImageProcessor:
    """Returns a Hugging Face processor for GLM-Image with this tokenizer.

    Its image settings are those of the real model: patches of 16x16 pixels that are not merged, and images of 512^2 to
    2048^2 pixels.
    """
    image_processor = GlmImageImageProcessorPil(
        patch_size=_PATCH_PX,
        temporal_patch_size=1,
        merge_size=1,
        min_pixels=512 * 512,
        max_pixels=2048 * 2048,
    )
    return GlmImageProcessor(image_processor, tokenizer, chat_template=chat_template(tokenizer))


def build_vision_language_encoder(
    processor: GlmImageProcessor, shape: ArShape = TINY
) -> GlmImageForConditionalGeneration:
    """Returns the AR model with random weights, which depend on the current torch seed.

    It uses grouped-query attention like the real model. The codebook has as many codes as the processor's tokenizer.
    """
    model = GlmImageForConditionalGeneration(_config(processor, shape)).eval()
    with torch.no_grad():
        model.lm_head.weight.mul_(shape.lm_head_scale)
    model.generation_config = generation_config(processor.tokenizer)
    return model


def _config(processor: GlmImageProcessor, shape: ArShape) -> GlmImageConfig:
    tokenizer = processor.tokenizer
    num_codes = tokenizer.bos_token_id
    text = {
        "vocab_size": len(tokenizer),
        "vision_vocab_size": num_codes + NUM_CONTROL_IDS,
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.num_layers,
        "num_attention_heads": shape.num_heads,
        "num_key_value_heads": shape.num_kv_heads,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10_000.0,
            "partial_rotary_factor": 0.5,
            "mrope_section": list(shape.mrope_section),
        },
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    vision = {"depth": 2, "hidden_size": 64, "num_heads": 4, "intermediate_size": 128, "patch_size": _PATCH_PX}
    return GlmImageConfig(
        text_config=text,
        vision_config=vision,
        vq_config={"embed_dim": 32, "num_embeddings": num_codes, "latent_channels": vision["hidden_size"]},
        image_token_id=processor.image_token_id,
        image_start_token_id=tokenizer.bos_token_id,
        image_end_token_id=tokenizer.eos_token_id,
    )


def generation_config(tokenizer: PreTrainedTokenizerFast) -> GenerationConfig:
    """Returns the sampling settings that GLM-Image's model card recommends.

    `top_k` is set explicitly, to a value without effect, because `generate` would use 50 by default.
    """
    num_codes = tokenizer.bos_token_id
    return GenerationConfig(
        do_sample=True,
        temperature=0.9,
        top_p=0.75,
        top_k=num_codes + NUM_CONTROL_IDS,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        # A random model would sample ids that are not codes, and the reference pipeline does not prevent that.
        suppress_tokens=list(range(num_codes, num_codes + NUM_CONTROL_IDS)),
    )
