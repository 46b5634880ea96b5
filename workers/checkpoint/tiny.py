"""Writes the small checkpoint with random weights, in the folder layout of `zai-org/GLM-Image`."""

from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import GlmImagePipeline

from shared.geometry import CODEBOOK_SIZE
from workers.checkpoint import ar_parts, dit_parts
from workers.checkpoint.folder import whole_folder


def build(
    directory: Path, seed: int = 0, on_part: Callable[[str], None] = lambda _: None, *, num_codes: int = CODEBOOK_SIZE
) -> None:
    """Writes a small checkpoint with random weights to `directory`. The same seed gives the same weights.

    `num_codes` is the size of the codebook. `on_part` reports progress: it is called with the name of each part before
    the part is built, then with "saving". An older checkpoint at `directory` is replaced. Raises `Misconfigured` when
    `directory` holds anything else.
    """
    with whole_folder(directory) as folder:
        pipeline = _build_pipeline(seed, on_part, num_codes)
        on_part("saving")
        pipeline.save_pretrained(folder)


def _build_pipeline(seed: int, on_part: Callable[[str], None], num_codes: int) -> GlmImagePipeline:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        on_part("processor")
        processor = ar_parts.build_processor(num_codes)
        on_part("vision_language_encoder")
        vision_language_encoder = ar_parts.build_vision_language_encoder(processor)
        on_part("text_encoder")
        tokenizer = dit_parts.build_glyph_tokenizer()
        text_encoder = dit_parts.build_text_encoder(tokenizer)
        on_part("transformer")
        transformer = dit_parts.build_transformer(num_codes=num_codes)
        on_part("vae")
        vae = dit_parts.build_vae()
    return GlmImagePipeline(
        tokenizer=tokenizer,
        processor=processor,
        text_encoder=text_encoder,
        vision_language_encoder=vision_language_encoder,
        vae=vae,
        transformer=transformer,
        scheduler=dit_parts.build_scheduler(),
    )
