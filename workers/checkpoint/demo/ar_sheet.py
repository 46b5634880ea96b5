"""Saves sample pictures of the AR model during its training, decoded from the visual tokens of a few prompts.

Trains nothing.
"""

from pathlib import Path

import torch
from torch import Tensor
from transformers import GlmImageForConditionalGeneration

from workers.checkpoint import ar_parts
from workers.checkpoint.demo.models import ar as ar_model
from workers.checkpoint.demo.models.encoders import Encoders
from workers.checkpoint.demo.sheet import PROMPTS
from workers.checkpoint.demo.world.pixels import to_picture

_SIDE_PX, _CELLS = 256, 8


def show_drawn(model: GlmImageForConditionalGeneration, encoders: Encoders, path: Path) -> None:
    """Saves one row of pictures, decoded from the visual tokens that the model samples for the fixed sample prompts."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pictures = encoders.rebuilt(drawn(model))
    to_picture(torch.cat(list(pictures), dim=2)).save(path)


@torch.no_grad()
def drawn(model: GlmImageForConditionalGeneration) -> Tensor:
    """Samples visual tokens for the fixed sample prompts at 256x256 pixels, with the sampling settings of the pipeline.

    Returns them with shape (prompts, rows, columns).
    """
    tokenizer = ar_model.tokenizer()
    inputs = ar_parts.processor_of(tokenizer).apply_chat_template(
        [[{"role": "user", "content": [{"type": "text", "text": prompt}]}] for prompt in PROMPTS],
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs={"target_h": _SIDE_PX, "target_w": _SIDE_PX, "padding": True},
    )
    num_tokens = int(inputs["image_grid_thw"][:2].prod(dim=1).sum())
    tokens = model.generate(
        **inputs, generation_config=ar_parts.generation_config(tokenizer), max_new_tokens=num_tokens, do_sample=True
    )
    large: Tensor = tokens[:, -(_CELLS**2) :]
    return large.view(-1, _CELLS, _CELLS)
