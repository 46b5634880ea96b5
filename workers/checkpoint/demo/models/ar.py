"""The demonstration model's AR half, untrained, and how pictures and prompts go into it."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from transformers import GlmImageConfig, GlmImageForConditionalGeneration, PreTrainedTokenizerFast
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from workers.checkpoint.demo.models.tokenizer import build_tokenizer

PATCH_PX = 16  # of the half-size picture: a code stands for 32x32 pixels
NUM_CODES = 2_048
START_ID, END_ID = NUM_CODES, NUM_CODES + 1
VISION_VOCAB_SIZE = NUM_CODES + 128  # codes, start, end, and room as in the real model
_HEADS, _KV_HEADS, _HEAD_DIM, _LAYERS, _FEED = 6, 2, 32, 6, 512
_VISION_WIDTH = 96
# Time, rows and columns get every third frequency each, between 1 and 0.28 rad. With the usual 10,000 in one piece an
# axis, a column would turn a head by 0.002 rad: the model could count neither rows nor columns.
_ROPE_THETA = 4.0
_ROPE_SECTIONS = (1,) * 12


@lru_cache(maxsize=1)
def tokenizer() -> PreTrainedTokenizerFast:
    """The model's own, learned once a process."""
    return build_tokenizer(NUM_CODES, VISION_VOCAB_SIZE)


def build() -> GlmImageForConditionalGeneration:
    """Untrained, with weights from the current torch seed."""
    text_tokenizer = tokenizer()
    text = {
        "vocab_size": len(text_tokenizer),
        "vision_vocab_size": VISION_VOCAB_SIZE,
        "hidden_size": _HEADS * _HEAD_DIM,
        "intermediate_size": _FEED,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": _HEADS,
        "num_key_value_heads": _KV_HEADS,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": _ROPE_THETA,
            "partial_rotary_factor": 0.75,
            "mrope_section": list(_ROPE_SECTIONS),
        },
        "pad_token_id": text_tokenizer.pad_token_id,
        "eos_token_id": END_ID,
    }
    vision = {
        "depth": 2,
        "hidden_size": _VISION_WIDTH,
        "num_heads": 4,
        "intermediate_size": 2 * _VISION_WIDTH,
        "patch_size": PATCH_PX,
        "image_size": 32 * PATCH_PX,
    }
    config = GlmImageConfig(
        text_config=text,
        vision_config=vision,
        vq_config={"embed_dim": 16, "num_embeddings": NUM_CODES, "latent_channels": _VISION_WIDTH},
        image_token_id=text_tokenizer.convert_tokens_to_ids(text_tokenizer.image_token),
        image_start_token_id=START_ID,
        image_end_token_id=END_ID,
    )
    return GlmImageForConditionalGeneration(config)


def patches_of(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """What the image processor makes of half-size pictures: (patches, 3 x 16 x 16), and (pictures, 3) grids.

    `pictures`: (pictures, 3, height, width), -1 to 1. Patches are in rows, their values channel by channel.
    """
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
    normal = ((pictures + 1) / 2 - mean) / std
    num, _, height, width = normal.shape
    rows, cols = height // PATCH_PX, width // PATCH_PX
    patches = normal.view(num, 3, rows, PATCH_PX, cols, PATCH_PX).permute(0, 2, 4, 1, 3, 5)
    return patches.reshape(num * rows * cols, -1), torch.tensor([[1, rows, cols]] * num)


def prompt_ids(prompt: str, grids: Sequence[tuple[int, int]]) -> list[int]:
    """The ids of a prompt and its target grids (rows, cols), as the processor writes them, up to the start token."""
    text_tokenizer = tokenizer()
    said = "".join(
        f"{text_tokenizer.grid_bos_token}{rows} {cols}{text_tokenizer.grid_eos_token}" for rows, cols in grids
    )
    return [*text_tokenizer(prompt + said, add_special_tokens=False).input_ids, START_ID]
