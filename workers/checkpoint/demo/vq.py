"""Trains the parts of the AR model that encode pictures: the vision encoder and the codebook.

They encode each square of 32x32 pixels as one visual token. The code calls them "eyes".
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor

from workers.checkpoint.demo.codebook import split_codes
from workers.checkpoint.demo.loop import Recipe, train
from workers.checkpoint.demo.models import ar as ar_model
from workers.checkpoint.demo.models.eyes import Eyes, kinds_of
from workers.checkpoint.demo.world.drawing import draw, draw_figures
from workers.checkpoint.demo.world.pixels import half_of, to_picture, to_tensor
from workers.checkpoint.demo.world.scenes import (
    COLOURS,
    PATTERNS,
    Scene,
    exact,
    is_held_out,
    other_word,
    random_scene,
    random_shapes,
)

RECIPE = Recipe(num_steps=4_600, learning_rate=1.5e-3, weight_decay=0.0, has_muon=True)
FINAL = "eyes.pt"  # the trained weights, in the training folder
_PATCHES = 1_536  # patches of a batch: 24 pictures of 8x8 visual tokens
_REVIVE_EVERY = 50  # steps, after which codes that no patch chose move to the patches with the worst match
_MOST_REVIVED, _GOOD_FIT = 64, 0.95  # a code that fits this well, as a cosine, is not doubled
_FOREGROUND, _DIFFERENT, _MARGIN_PX = 3.0, 0.2, 4
# Share of scenes with a word that are replaced by scenes without. The DiT spells words from glyphs, so visual tokens
# only say where letters are, and more of them are left for shapes.
_WORDLESS = 0.5
_EXACT = 0.9  # share of scenes whose shapes are exactly at their places, as those that the AR model learns
_CELLS = (8, 8, 8, 8, 12, 16, 16)  # visual tokens on a side of a square training picture
_KIND_WEIGHT, _SPREAD_WEIGHT = 0.2, 1.0  # weights in the loss
_VIEWS = 3  # pictures of each scene in a batch
_PLAIN = 0.6  # share of the second backgrounds that are plain
# Plain patches, with a standard deviation of at most `_FLAT`, are grouped by their shades. All others have `_NO_SHADE`.
_FLAT, _SHADES, _NO_SHADE = 0.01, 16, 1e6


@dataclass(frozen=True, slots=True)
class Examples:
    """Training pictures of the vision encoder, all of one size. They have half of the full width and height.

    - `pictures` and `targets` have shape (pictures, 3, height, width). The first third of the pictures are scenes. The
      second third has the same shapes and numbers of letters, on other backgrounds and with other letters. The last
      third has them on grey, with a box for each letter. In a target, patches with shapes or letters look like those of
      the last third.
    - `kinds` says what each patch shows, as `kinds_shown` does, with shape (pictures, rows, columns).
    """

    pictures: Tensor
    targets: Tensor
    kinds: Tensor


class Batches:
    """Makes random training batches of the vision encoder and codebook, and returns their losses.

    Also counts how often each codebook entry is used. After every `revive_every` steps, it moves unused entries to
    features that no entry matches well. A run that continues from a saved state starts counting at zero. So it may move
    other entries than an uninterrupted run.
    """

    def __init__(self, eyes: Eyes, num_patches: int = _PATCHES, revive_every: int = _REVIVE_EVERY) -> None:
        self._eyes, self._num_patches, self._revive_every = eyes, num_patches, revive_every
        self._num_steps = 0
        self._used = torch.zeros(ar_model.NUM_CODES)

    def loss(self, rng: Random, _: float) -> Mapping[str, Tensor]:
        self._num_steps += 1
        cells = rng.choice(_CELLS)
        batch = random_examples(rng, max(1, self._num_patches // cells**2 // _VIEWS), cells)
        features = self._eyes.features(batch.pictures)
        if self._num_steps % self._revive_every == 0:
            self._revive(features, rng)
        quantised, commitment, codes = self._eyes.vqmodel.quantize(features)
        self._used.index_add_(0, codes, torch.ones(len(codes)))
        squared = (self._eyes.rebuilt(quantised) - batch.targets).square()
        error = (squared * weights_of(batch.targets)).mean()
        kind = F.cross_entropy(self._eyes.namer(quantised), batch.kinds)
        spread = spread_of(features, batch)
        return {
            "loss": error + commitment + _KIND_WEIGHT * kind + _SPREAD_WEIGHT * spread,
            "psnr": 10 * torch.log10(4 / squared.mean()),
            "used": (codes.bincount(minlength=ar_model.NUM_CODES) > 0).float().mean(),
            "kind": kind,
            "spread": spread,
        }

    @torch.no_grad()
    def _revive(self, features: Tensor, rng: Random) -> None:
        """Moves unused codebook entries to image features of this batch that no entry matches well.

        An entry is unused if no patch chose it since the last call. Entries without a use stay where they are if each
        feature has a good match, because two entries for one look would make visual tokens harder to predict.
        """
        book = self._eyes.vqmodel.quantize.embedding.weight
        flat = F.normalize(features.detach().permute(0, 2, 3, 1).reshape(-1, book.shape[1]), dim=-1)
        fit_of = (flat @ F.normalize(book, dim=-1).T).max(dim=1).values
        dead = (self._used == 0).nonzero().flatten()
        worst = fit_of.argsort()[: min(len(dead), int((fit_of < _GOOD_FIT).sum()))].tolist()
        chosen = rng.sample(worst, min(len(worst), _MOST_REVIVED))
        book[dead[: len(chosen)]] = flat[chosen]
        self._used.zero_()


def spread_of(features: Tensor, batch: Examples) -> Tensor:
    """Returns how much the features of patches differ that should be the same visual token, from 0 (not) to 2.

    These are background patches of the same single colour, and patches that show the same part of a shape or a word in
    the pictures of one scene.
    """
    flat = F.normalize(features.float().permute(0, 2, 3, 1).flatten(0, 2), dim=1)
    patches = F.pixel_unshuffle(batch.targets, ar_model.PATCH_PX).permute(0, 2, 3, 1).flatten(0, 2)
    patches = patches.view(len(patches), 3, -1)
    is_figure = batch.kinds.flatten() > 0
    is_plain = (patches.std(-1).amax(-1) < _FLAT) & ~is_figure
    is_chosen = is_plain | is_figure
    if not is_chosen.any():
        return features.new_zeros(())
    shades = (patches.mean(-1) * _SHADES).round()
    numbers = torch.arange(len(flat)).remainder(len(flat) // _VIEWS).float()
    own = F.pad(numbers[:, None], (0, 2), value=_NO_SHADE)
    keys = torch.where(is_plain[:, None], shades, own)[is_chosen]
    groups = torch.from_numpy(np.unique(keys.numpy(), axis=0, return_inverse=True)[1].reshape(-1))
    sums = torch.zeros(int(groups.max()) + 1, flat.shape[1]).index_add(0, groups, flat[is_chosen])
    return 1 - (flat[is_chosen] * F.normalize(sums, dim=1)[groups]).sum(1).mean()


def weights_of(pictures: Tensor) -> Tensor:
    """Returns the weights of errors in the loss of the vision encoder, with shape (pictures, 1, height, width).

    Errors in the background count less, because most of a picture is background, which the model learns at once. A
    pixel counts as background if its colour is close to that of the pixel in the picture's corner.
    """
    differs = (pictures - pictures[..., :1, :1]).abs().amax(1, keepdim=True) > _DIFFERENT
    return 1 + _FOREGROUND * F.max_pool2d(differs.float(), 2 * _MARGIN_PX + 1, 1, _MARGIN_PX)


def fit(folder: Path, most_minutes: float = math.inf) -> Eyes:
    """Trains the vision encoder and the codebook to the end, splits codebook entries and returns the eyes.

    An interrupted run continues from its last save.
    """
    torch.manual_seed(1)
    eyes = Eyes(ar_model.build())
    file = folder / FINAL
    if file.is_file():
        eyes.load_state_dict(torch.load(file, weights_only=True))
        return eyes

    def show(averaged: Eyes) -> None:
        show_rebuilt(averaged, folder / "vq.png")

    recipe = replace(RECIPE, most_minutes=most_minutes)
    trained = train(eyes, Batches(eyes).loss, recipe, folder / "vq.pt", on_save=show)
    split_codes(trained)
    save(trained, folder)
    return trained


def save(eyes: Eyes, folder: Path) -> None:
    """Writes the trained eyes to the training folder. The training of other parts reads them there."""
    draft = folder / "eyes.writing"
    torch.save(eyes.state_dict(), draft)
    draft.replace(folder / FINAL)


def random_examples(rng: Random, num: int, cells: int) -> Examples:
    """Draws `num` random scenes (backgrounds with shapes and words) as square pictures with `cells` visual tokens on a
    side. Draws each again with another background and other letters, and once on grey with boxes as letters.
    """
    scenes = [_scene(rng) for _ in range(num)]
    repainted = [_repainted(scene, rng) for scene in scenes]
    side = 2 * cells * ar_model.PATCH_PX
    seen = torch.stack([to_tensor(half_of(draw(scene, side, side))) for scene in scenes + repainted])
    figures = torch.stack([to_tensor(half_of(draw_figures(scene, side, side))) for scene in scenes])
    kinds = torch.stack([kinds_of(scene, (cells, cells)) for scene in scenes]).repeat(_VIEWS, 1, 1)
    pictures, figures = torch.cat((seen, figures)), figures.repeat(_VIEWS, 1, 1, 1)
    is_figure = F.interpolate((kinds > 0).float()[:, None], scale_factor=ar_model.PATCH_PX) > 0
    return Examples(pictures, torch.where(is_figure, figures, pictures), kinds)


def _scene(rng: Random) -> Scene:
    scene = random_scene(rng)
    if scene.word and rng.random() < _WORDLESS:
        scene = random_shapes(rng, rng.choice((1, 1, 2, 3)))
    return exact(scene) if rng.random() < _EXACT else scene


def _repainted(scene: Scene, rng: Random) -> Scene:
    """Returns the scene on another background, with another word of the same length.

    None of its combinations of shape, colour and background is held out, nor is its word.
    """
    taken = {scene.background, scene.word_colour, *(shape.colour for shape in scene.shapes)}
    free = [name for name in COLOURS if name not in taken]
    allowed = [name for name in free if not any(is_held_out(one.name, one.colour, name) for one in scene.shapes)]
    if not allowed:
        return scene
    pattern = "plain" if rng.random() < _PLAIN else rng.choice(PATTERNS)
    word = other_word(scene.word, rng) if scene.word else ""
    return replace(scene, background=rng.choice(allowed), pattern=pattern, second=rng.choice(free), word=word)


@torch.no_grad()
def show_rebuilt(eyes: Eyes, path: Path) -> None:
    """Saves an image with some pictures above and the same pictures, decoded from their visual tokens, below."""
    pictures = random_examples(Random("sheet"), 6, cells=8).pictures
    rebuilt = eyes.rebuilt(eyes.vqmodel.quantize(eyes.features(pictures))[0])
    rows = [torch.cat(list(row), dim=2) for row in (pictures, rebuilt)]
    to_picture(torch.cat(rows, dim=1)).save(path)
