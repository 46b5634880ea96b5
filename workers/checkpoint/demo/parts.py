"""Loads the trained parts from the saved states in a training folder. Trains nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from diffusers import AutoencoderKL
from torch import nn
from transformers import GlmImageForConditionalGeneration, T5EncoderModel

from shared.errors import Misconfigured
from workers.checkpoint.demo import vae, vq
from workers.checkpoint.demo.glyphs import Reader
from workers.checkpoint.demo.models import ar as ar_model
from workers.checkpoint.demo.models.drawer import Drawer
from workers.checkpoint.demo.models.encoders import Encoders
from workers.checkpoint.demo.models.eyes import Eyes
from workers.checkpoint.demo.models.painter import Painter

_Module = TypeVar("_Module", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class TrainedParts:
    """The trained parts of the demonstration model.

    `ar` contains the vision encoder and the codebook. `painter` contains the transformer and the glyph encoder.
    """

    vae: AutoencoderKL
    ar: GlmImageForConditionalGeneration
    painter: Painter


def trained_parts(folder: Path) -> TrainedParts:
    """Loads and returns all parts as trained so far. Raises `Misconfigured` when a part has no saved state yet."""
    painter = _averaged(Painter(), folder / "dit.pt", "dit")
    drawer = _averaged(Drawer(ar_model.build()), folder / "ar.pt", "ar")
    return TrainedParts(_trained_vae(folder), drawer.ar, painter)


def model_with_trained_eyes(folder: Path) -> GlmImageForConditionalGeneration:
    """Returns the AR model with which its training starts.

    Its vision encoder and codebook are trained. All other weights are random, from a fixed seed.
    """
    torch.manual_seed(2)
    model = ar_model.build()
    _eyes(model, folder)
    return model


def trained_eyes(folder: Path) -> Encoders:
    """Loads the trained vision encoder and codebook, which make visual tokens for the training of the AR model."""
    return Encoders(_eyes(ar_model.build(), folder))


def trained_glyph_encoder(folder: Path) -> T5EncoderModel:
    """Loads the trained glyph encoder, with which the training of the DiT starts."""
    return _averaged(Reader(), folder / "glyphs.pt", "glyphs").text_encoder


def trained_encoders(folder: Path) -> Encoders:
    """Loads the trained encoders of visual tokens and of latents, which make the training data of the DiT."""
    return Encoders(_eyes(ar_model.build(), folder), _trained_vae(folder))


def _eyes(model: GlmImageForConditionalGeneration, folder: Path) -> Eyes:
    """Loads the trained vision encoder and codebook into `model` and returns them.

    Raises `Misconfigured` when they are not trained yet.
    """
    _require(folder / vq.FINAL, "eyes")
    eyes = Eyes(model)
    eyes.load_state_dict(torch.load(folder / vq.FINAL, weights_only=True))
    return eyes


def _trained_vae(folder: Path) -> AutoencoderKL:
    _require(folder / vae.FINAL, "vae")
    return AutoencoderKL.from_pretrained(folder / vae.FINAL)


def _averaged(model: _Module, state_file: Path, part: str) -> _Module:
    """Loads the averaged weights from a saved training state into `model` and returns the model.

    Raises `Misconfigured` when the state file is missing.
    """
    _require(state_file, part)
    weights = torch.load(state_file, weights_only=True)["averaged"]
    own = {name.removeprefix("module."): value for name, value in weights.items() if name.startswith("module.")}
    model.load_state_dict(own)
    return model


def _require(path: Path, part: str) -> None:
    if not path.exists():
        raise Misconfigured(f"{path} is missing: run `python -m workers.checkpoint.demo train --part {part}` first")
