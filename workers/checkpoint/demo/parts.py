"""The trained parts, read from the states that training keeps in a folder. Trains nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from diffusers import AutoencoderKL
from torch import nn
from transformers import GlmImageForConditionalGeneration, T5EncoderModel

from shared.errors import Misconfigured
from workers.checkpoint.demo import vae
from workers.checkpoint.demo.glyphs import Reader
from workers.checkpoint.demo.models import ar as ar_model
from workers.checkpoint.demo.models.drawer import Drawer
from workers.checkpoint.demo.models.encoders import Encoders
from workers.checkpoint.demo.models.painter import Painter
from workers.checkpoint.demo.vq import Eyes

_Module = TypeVar("_Module", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class TrainedParts:
    """What training leaves. `ar` holds the eyes: the vision encoder and the codebook."""

    vae: AutoencoderKL
    ar: GlmImageForConditionalGeneration
    painter: Painter


def trained_parts(folder: Path) -> TrainedParts:
    """All parts, as far as they are trained. Raises `Misconfigured` when one has not begun."""
    painter = _averaged(Painter(), folder / "dit.pt", "dit")
    drawer = _averaged(Drawer(ar_model.build()), folder / "ar.pt", "ar")
    return TrainedParts(_trained_vae(folder), drawer.ar, painter)


def model_with_trained_eyes(folder: Path) -> GlmImageForConditionalGeneration:
    """The language model that the AR part begins from: random weights of a fixed seed, and trained eyes."""
    torch.manual_seed(2)
    model = ar_model.build()
    _averaged(Eyes(model), folder / "vq.pt", "eyes")
    return model


def trained_eyes(folder: Path) -> Encoders:
    """What the AR part learns from: visual tokens."""
    return Encoders(_averaged(Eyes(ar_model.build()), folder / "vq.pt", "eyes"))


def trained_glyph_encoder(folder: Path) -> T5EncoderModel:
    """The glyph encoder that the DiT part begins from."""
    return _averaged(Reader(), folder / "glyphs.pt", "glyphs").text_encoder


def trained_encoders(folder: Path) -> Encoders:
    """What the DiT part learns from: visual tokens and latents."""
    return Encoders(_averaged(Eyes(ar_model.build()), folder / "vq.pt", "eyes"), _trained_vae(folder))


def _trained_vae(folder: Path) -> AutoencoderKL:
    _require(folder / vae.FINAL, "vae")
    return AutoencoderKL.from_pretrained(folder / vae.FINAL)


def _averaged(model: _Module, state_file: Path, part: str) -> _Module:
    """`model` with the averaged weights of a state."""
    _require(state_file, part)
    weights = torch.load(state_file, weights_only=True)["averaged"]
    own = {name.removeprefix("module."): value for name, value in weights.items() if name.startswith("module.")}
    model.load_state_dict(own)
    return model


def _require(path: Path, part: str) -> None:
    if not path.exists():
        raise Misconfigured(f"{path} is missing: run `python -m workers.checkpoint.demo train --part {part}` first")
