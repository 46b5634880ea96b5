"""Trains the glyph encoder before the DiT.

From the bytes of a word, the encoder learns how each letter looks and at which place of the word it is. In the same
way, the real GLM-Image starts from a trained ByT5. The output head of this training is discarded afterwards.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from workers.checkpoint.demo.loop import Recipe, train
from workers.checkpoint.demo.models import dit as dit_model
from workers.checkpoint.demo.world.drawing import letter_boxes, typeface
from workers.checkpoint.demo.world.prompts import in_some_case
from workers.checkpoint.demo.world.scenes import random_word

RECIPE = Recipe(num_steps=1_500, learning_rate=2e-3, weight_decay=0.0, has_muon=True)
_BATCH = 96
_BITMAP_PX = 16
_WAVES = 8  # A place is encoded as this many sines and cosines, which attention can map to a place of the picture.
_NUM_TARGETS = _BITMAP_PX**2 + 4 * _WAVES + 2


class Reader(nn.Module):
    """The glyph encoder with an output head. The head is needed only while the glyph encoder is trained alone, before
    the training of the DiT.
    """

    def __init__(self) -> None:
        super().__init__()
        self.text_encoder = dit_model.build_text_encoder()
        self.head = nn.Linear(dit_model.GLYPH_WIDTH, _NUM_TARGETS)


def fit(folder: Path) -> Reader:
    """Trains the glyph encoder to the last step and returns it with its output head.

    An interrupted run continues from its last save.
    """
    torch.manual_seed(5)
    reader = Reader()
    return train(reader, lambda rng, _: loss_of(reader, rng), RECIPE, folder / "glyphs.pt")


def loss_of(reader: Reader, rng: Random, num_words: int = _BATCH) -> Mapping[str, Tensor]:
    """Returns the training loss of the glyph encoder on random words.

    It is the squared error of the predicted bitmaps of the letters plus that of their predicted places.
    """
    words = [random_word(rng) for _ in range(num_words)]
    found, is_real = dit_model.glyphs_of(reader.text_encoder, [in_some_case(word, rng) for word in words])
    letters = is_real.clone()
    letters[:, -1] = False  # the end token
    asked = torch.cat([targets_of(word) for word in words])
    error = (reader.head(found[letters]) - asked).square().mean(0)
    bitmap, place = error[: _BITMAP_PX**2].mean(), error[_BITMAP_PX**2 :].mean()
    return {"loss": bitmap + place, "bitmap": bitmap, "place": place}


@lru_cache(maxsize=8_192)
def targets_of(word: str) -> Tensor:
    """Returns what the glyph encoder learns to predict for each letter of a word, with shape (letters, targets).

    The targets are the letter's bitmap, its middle and width as sine and cosine waves, its middle as a number, and the
    height of the word.
    """
    rows = []
    for letter, (left, right, height) in zip(word, letter_boxes(word), strict=True):
        middle = (left + right) / 2
        waves = [
            wave(number * math.pi * place)
            for place in (middle, right - left)
            for number in range(1, _WAVES + 1)
            for wave in (math.sin, math.cos)
        ]
        rows.append(torch.cat((_bitmap(letter), torch.tensor([*waves, middle, height]))))
    return torch.stack(rows)


@lru_cache(maxsize=64)
def _bitmap(letter: str) -> Tensor:
    canvas = Image.new("L", (_BITMAP_PX, _BITMAP_PX))
    ImageDraw.Draw(canvas).text((_BITMAP_PX / 2, _BITMAP_PX / 2), letter, 255, typeface(16), anchor="mm")
    return torch.from_numpy(np.array(canvas)).flatten() / 255
