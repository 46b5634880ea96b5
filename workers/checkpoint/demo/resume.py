"""Writes training states from an assembled checkpoint, so that its training can go on. Trains nothing.

A checkpoint has no optimizer states, no probes and no decoder of visual tokens. Those begin anew.
"""

from pathlib import Path

import torch
from diffusers import GlmImagePipeline

from workers.checkpoint.demo import ar, dit, glyphs, vae, vq
from workers.checkpoint.demo.loop import write_state
from workers.checkpoint.demo.models.drawer import Drawer
from workers.checkpoint.demo.models.painter import Painter


def write_states(checkpoint: Path, folder: Path) -> None:
    """Writes the states of all parts of `checkpoint` to `folder`.

    The AR model and the DiT are at step 0, so they are trained again from these weights. The parts before them are at
    their last step.
    """
    pipeline = GlmImagePipeline.from_pretrained(checkpoint, dtype=torch.float32)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (vae.FIRST, vae.FINAL):
        pipeline.vae.save_pretrained(folder / name)
    painter, reader = Painter(), glyphs.Reader()
    painter.transformer, painter.text_encoder = pipeline.transformer, pipeline.text_encoder
    reader.text_encoder = pipeline.text_encoder
    model = pipeline.vision_language_encoder
    write_state(pipeline.vae, vae.RECIPE, folder / "vae.pt", vae.RECIPE.num_steps)
    write_state(vq.Eyes(model), vq.RECIPE, folder / "vq.pt", vq.RECIPE.num_steps)
    write_state(reader, glyphs.RECIPE, folder / "glyphs.pt", glyphs.RECIPE.num_steps)
    write_state(painter, dit.RECIPE, folder / "dit.pt", 0)
    write_state(ar.frozen(Drawer(model)), ar.RECIPE, folder / "ar.pt", 0)
    pipeline.vae.encoder.requires_grad_(requires_grad=False)
    write_state(pipeline.vae, vae.DECODER_RECIPE, folder / "vae_decoder.pt", vae.DECODER_RECIPE.num_steps)
