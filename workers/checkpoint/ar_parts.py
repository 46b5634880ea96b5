"""The small checkpoint's AR half: the vision-language encoder and its processor."""

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
    """The text model's size. `mrope_section` shares half a head's frequencies out to time, rows and columns.

    `lm_head_scale` lifts logits of default weights to a spread of 2.7: flat ones would let half the tokens survive
    another prompt, and make top-p keep thousands of codes where a trained model keeps few.
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
    """The processor around the small checkpoint's own tokenizer."""
    return processor_of(build_tokenizer(num_codes))


def processor_of(tokenizer: PreTrainedTokenizerFast) -> GlmImageProcessor:
    """A tokenizer, and an image processor with GLM-Image's settings: patch 16, merge 1, 512^2 to 2048^2 pixels."""
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
    """Random weights from the current torch seed, with grouped-query attention as in the real model.

    The codebook has as many codes as the processor's tokenizer.
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
    """The model card's sampling. `top_k` is written out, since `generate` takes 50 when none is named."""
    num_codes = tokenizer.bos_token_id
    return GenerationConfig(
        do_sample=True,
        temperature=0.9,
        top_p=0.75,
        top_k=num_codes + NUM_CONTROL_IDS,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        # Random weights would choose ids that are no codes, which the reference pipeline does not prevent.
        suppress_tokens=list(range(num_codes, num_codes + NUM_CONTROL_IDS)),
    )
