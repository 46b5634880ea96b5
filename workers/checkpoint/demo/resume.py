"""Writes training states from an assembled checkpoint, so that its training can go on. Trains nothing.

A checkpoint has no optimizer states, no probes and no decoder of visual tokens. Those begin anew.
"""

from pathlib import Path

import torch
from diffusers import GlmImagePipeline
from torch import nn

from workers.checkpoint.demo import ar, dit, glyphs, vae, vq
from workers.checkpoint.demo.loop import write_state
from workers.checkpoint.demo.models.drawer import Drawer
from workers.checkpoint.demo.models.eyes import Eyes
from workers.checkpoint.demo.models.painter import Painter

# Weights of the AR model and the DiT that depend on the codebook, and training outputs. With new eyes they begin anew.
_ANEW = ("visual", "vqmodel", "lm_head", "probe", "speller")


def write_states(checkpoint: Path, folder: Path, *, has_new_eyes: bool = False) -> None:
    """Writes the states of all parts of `checkpoint` to `folder`.

    The AR model and the DiT are at step 0, so they are trained again from these weights. The parts before them are
    trained. With `has_new_eyes` the vision encoder and the codebook are at step 0 as well. Then the AR model
    and the DiT begin once these are trained, with new embeddings of visual tokens.
    """
    pipeline = GlmImagePipeline.from_pretrained(checkpoint, dtype=torch.float32)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (vae.FIRST, vae.FINAL):
        pipeline.vae.save_pretrained(folder / name)
    painter, reader = Painter(), glyphs.Reader()
    painter.transformer, painter.text_encoder = pipeline.transformer, pipeline.text_encoder
    reader.text_encoder = pipeline.text_encoder
    model = pipeline.vision_language_encoder
    eyes = Eyes(model)
    if has_new_eyes:
        nn.init.zeros_(eyes.visual.embeddings.position_embedding.weight)
        write_state(eyes, vq.RECIPE, folder / "vq.pt", 0)
    else:
        vq.save(eyes, folder)
    drawer = ar.frozen(Drawer(model))
    write_state(pipeline.vae, vae.RECIPE, folder / "vae.pt", vae.RECIPE.num_steps)
    write_state(reader, glyphs.RECIPE, folder / "glyphs.pt", glyphs.RECIPE.num_steps)
    pipeline.vae.encoder.requires_grad_(requires_grad=False)
    write_state(pipeline.vae, vae.DECODER_RECIPE, folder / "vae_decoder.pt", vae.DECODER_RECIPE.num_steps)
    if has_new_eyes:
        _save_earlier(drawer, folder / ar.EARLIER)
        _save_earlier(painter, folder / dit.EARLIER)
    else:
        write_state(painter, dit.RECIPE, folder / "dit.pt", 0)
        write_state(drawer, ar.RECIPE, folder / "ar.pt", 0)


def _save_earlier(model: nn.Module, file: Path) -> None:
    torch.save({k: v for k, v in model.state_dict().items() if not any(part in k for part in _ANEW)}, file)
