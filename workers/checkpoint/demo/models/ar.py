"""Builds the untrained AR part of the demonstration model, and prepares its inputs from pictures and prompts."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from transformers import GlmImageConfig, GlmImageForConditionalGeneration, PreTrainedTokenizerFast
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from workers.checkpoint.demo.models.tokenizer import build_tokenizer

PATCH_PX = 16  # side of a patch in the half-size picture, so a code stands for 32x32 pixels of the picture
NUM_CODES = 2_048
START_ID, END_ID = NUM_CODES, NUM_CODES + 1
VISION_VOCAB_SIZE = NUM_CODES + 128  # codes, start, end, and spare ids as in the real model
_HEADS, _KV_HEADS, _HEAD_DIM, _LAYERS, _FEED = 6, 2, 32, 6, 512
_VISION_WIDTH = 96
# Time, rows and columns each get every third rotary frequency, from 1 to 0.28 rad. With the usual theta of 10,000 and
# one contiguous section for each axis, a column would rotate a head by 0.002 rad. Then the model could count neither
# rows nor columns.
_ROPE_THETA = 4.0
_ROPE_SECTIONS = (1,) * 12


@lru_cache(maxsize=1)
def tokenizer() -> PreTrainedTokenizerFast:
    """Returns the demonstration model's tokenizer. It is built once per process, which includes learning its merges."""
    return build_tokenizer(NUM_CODES, VISION_VOCAB_SIZE)


def build() -> GlmImageForConditionalGeneration:
    """Returns the untrained AR model. Its random weights depend on the current torch seed.

    The position embeddings of its vision encoder are zero, and stay so. So patches with the same look get the same
    visual token wherever they are, which makes visual tokens easier to predict.
    """
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
    model = GlmImageForConditionalGeneration(config)
    torch.nn.init.zeros_(model.model.visual.embeddings.position_embedding.weight)
    return model


def patches_of(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Converts pictures, whose width and height were already halved, to patches. The result is that of GLM-Image's
    image processor for the full-size pictures.

    `pictures` has shape (pictures, 3, height, width) and values from -1 to 1. Returns the patches with shape (patches,
    3 x 16 x 16), and the grid size of each picture with shape (pictures, 3). Patches are in row order, and their values
    are channel by channel.
    """
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
    normal = ((pictures + 1) / 2 - mean) / std
    num, _, height, width = normal.shape
    rows, cols = height // PATCH_PX, width // PATCH_PX
    patches = normal.view(num, 3, rows, PATCH_PX, cols, PATCH_PX).permute(0, 2, 4, 1, 3, 5)
    return patches.reshape(num * rows * cols, -1), torch.tensor([[1, rows, cols]] * num)


def prompt_ids(prompt: str, grids: Sequence[tuple[int, int]]) -> list[int]:
    """Returns the token ids of the model's input: the prompt, the sizes of the grids to write, and the start token.

    The ids are the same as those that the model's Hugging Face processor would make.
    """
    text_tokenizer = tokenizer()
    grids_text = "".join(
        f"{text_tokenizer.grid_bos_token}{rows} {cols}{text_tokenizer.grid_eos_token}" for rows, cols in grids
    )
    return [*text_tokenizer(prompt + grids_text, add_special_tokens=False).input_ids, START_ID]
