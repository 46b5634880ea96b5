"""Shows what the AR model draws while it is trained: visual tokens of a few prompts, as pictures. Trains nothing."""

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
    """Saves one row of pictures, as far as visual tokens alone tell them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pictures = encoders.rebuilt(drawn(model))
    to_picture(torch.cat(list(pictures), dim=2)).save(path)


@torch.no_grad()
def drawn(model: GlmImageForConditionalGeneration) -> Tensor:
    """(prompts, rows, cols) of visual tokens at 256x256, sampled as the pipeline does."""
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
