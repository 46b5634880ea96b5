"""Writes the trained parts as a checkpoint in GLM-Image's layout, with weights in float16. Trains nothing."""

from pathlib import Path

import torch
from diffusers import GlmImagePipeline
from transformers import ByT5Tokenizer

from workers.checkpoint import ar_parts
from workers.checkpoint.demo.models import ar as ar_model
from workers.checkpoint.demo.models import dit as dit_model
from workers.checkpoint.demo.parts import TrainedParts
from workers.checkpoint.folder import whole_folder

# No weight exceeds 5, so float16 can hold all of them, with three more bits of precision than bfloat16.
_STORED = torch.float16


def assemble(parts: TrainedParts, directory: Path, card: str) -> None:
    """Writes the trained parts as a checkpoint at `directory`, atomically. Replaces an older checkpoint.

    `card` becomes the checkpoint's README. The weights of `parts` are converted to float16 in place. Raises
    `Misconfigured` when `directory` holds anything else than a checkpoint.
    """
    pipeline = pipeline_of(parts)
    for part in (pipeline.vision_language_encoder, pipeline.transformer, pipeline.text_encoder, pipeline.vae):
        part.to(_STORED)
    with whole_folder(directory) as folder:
        pipeline.vae.register_to_config(_name_or_path="")  # it would name the training folder
        pipeline.save_pretrained(folder)
        (folder / "README.md").write_text(card, encoding="utf-8")


def pipeline_of(parts: TrainedParts) -> GlmImagePipeline:
    """Returns the diffusers pipeline of GLM-Image with the given parts, ready to paint."""
    tokenizer = ar_model.tokenizer()
    parts.ar.generation_config = ar_parts.generation_config(tokenizer)
    return GlmImagePipeline(
        tokenizer=ByT5Tokenizer(),
        processor=ar_parts.processor_of(tokenizer),
        text_encoder=parts.painter.text_encoder.eval(),
        vision_language_encoder=parts.ar.eval(),
        vae=parts.vae.eval(),
        transformer=parts.painter.transformer.eval(),
        scheduler=dit_model.build_scheduler(),
    )
