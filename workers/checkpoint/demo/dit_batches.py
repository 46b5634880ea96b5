"""Makes random training batches of the DiT: latents, visual tokens and words of scenes and edits. A scene is a
background with shapes and a word. Computes no loss.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor

from workers.checkpoint.demo.models.encoders import CELL_PX, CONDITION_CELLS, Encoders, tensors_of
from workers.checkpoint.demo.models.probe import UNKNOWN
from workers.checkpoint.demo.world.drawing import letters_shown
from workers.checkpoint.demo.world.edits import Edit, random_edit
from workers.checkpoint.demo.world.scenes import (
    COLOURS,
    LETTERS,
    Scene,
    exact,
    is_held_out,
    random_scene,
    random_shapes,
)

Cells = tuple[int, int]  # rows and columns of visual tokens

_TOKENS_A_STEP = 2_048  # image tokens of a batch: 8 pictures of 256x256
# Sizes of pictures early and late in training. Early pictures have one size, in which most letters are learned.
_EARLY: Sequence[Cells] = ((8, 8),)
_LATE: Sequence[Cells] = (*((8, 8),) * 10, (8, 12), (12, 8), (8, 16), (16, 8), (12, 12), (16, 16))
_OF_EDITS: Sequence[Cells] = ((8, 8), (8, 8), (8, 12), (12, 8))
_EARLY_UNTIL = 0.35  # share of the training
_EDITS = 0.05  # share of edits in batches after the early ones
_EDITS_A_STEP = 4
_WORDLESS = 0.25  # share of scenes with a word that are replaced by scenes without
_EXACT = 0.92  # share of scenes whose shapes are exactly at their places
_GRADED = 0.15  # share of scenes without a word that get a graded background, whose middle colours are hard to learn
# Share of scenes on plain backgrounds that are painted on a mixture of two colours instead, where only shapes and words
# count in the loss. So the DiT learns that their colours don't depend on the background.
_MIXED = 0.35
_NEAR = 56  # distance of two RGB colours that look alike
# One in this many pictures is new; the others are repeated with new noise, because encoding costs as much as a step.
_FRESH = 8
_FOREGROUND = 3.0  # additional weight of errors in shapes and letters
_MOST_STORED = 5_000  # pictures of one size that are stored for repetition


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture as training data of the DiT.

    - `latents` has shape (16, height / 8, width / 8).
    - `weights` says how much an error counts in the loss at each place, with shape (1, height / 8, width / 8).
    - `codes` holds, for each DiT token, the visual token that covers it.
    - `letters` holds, for each DiT token, the index in `LETTERS` of the letter that it shows.
    """

    latents: Tensor
    weights: Tensor
    codes: Tensor
    word: str
    letters: Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """A training batch of the DiT, with samples of one picture size.

    For edits, `before` holds the condition images of each sample. All samples have the same number of condition images.
    """

    cells: Cells
    samples: Sequence[Sample]
    before: Sequence[Sequence[Sample]] = ()


class Batches:
    """Makes random training batches of the DiT. Stores encoded pictures, in order to use them again with other noise.

    A run that continues from a saved state starts without stored pictures. So it trains with other pictures than an
    uninterrupted run.
    """

    def __init__(self, encoders: Encoders) -> None:
        self._encoders = encoders
        self._stored_samples: dict[Cells, list[Sample]] = {}

    def draw(self, rng: Random, progress: float) -> Batch:
        """Returns the next random training batch. `progress` is the share of the training that is done, from 0 to 1."""
        if progress < _EARLY_UNTIL:
            return self._of_scenes(rng, rng.choice(_EARLY))
        if rng.random() < _EDITS:
            return self._of_edits(rng, rng.choice(_OF_EDITS))
        return self._of_scenes(rng, rng.choice(_LATE))

    def _of_scenes(self, rng: Random, cells: Cells) -> Batch:
        num = max(1, _TOKENS_A_STEP // (4 * cells[0] * cells[1]))
        stored = self._stored_samples.setdefault(cells, [])
        num_fresh = num if len(stored) < 4 * num else -(-num // _FRESH)
        fresh = self._scenes(rng, num_fresh, cells)
        samples = [*fresh, *rng.sample(stored, num - num_fresh)]
        stored.extend(fresh)
        while len(stored) > _MOST_STORED:
            stored[rng.randrange(len(stored))] = stored[-1]
            stored.pop()
        return Batch(cells, samples)

    def _scenes(self, rng: Random, num: int, cells: Cells) -> Sequence[Sample]:
        scenes = [scene_of(rng) for _ in range(num)]
        samples = self._samples(scenes, cells)
        others = [mixture_of(scene, rng) if rng.random() < _MIXED else None for scene in scenes]
        return [
            self._on_mixture(sample, scene, other, cells) if other else sample
            for sample, scene, other in zip(samples, scenes, others, strict=True)
        ]

    def _on_mixture(self, sample: Sample, scene: Scene, other: tuple[str, float], cells: Cells) -> Sample:
        """Returns the sample of a scene with its background mixed with another colour, by the given share."""
        colour, share = other
        (first, second), _ = tensors_of([scene, replace(scene, background=colour)], cells)
        [latents] = self._encoders.latents(torch.lerp(first, second, share)[None])
        return replace(sample, latents=latents, weights=sample.weights - 1)

    def _of_edits(self, rng: Random, cells: Cells) -> Batch:
        edits = edits_alike(rng, _EDITS_A_STEP)
        after = [edit.after for edit in edits]
        square = (CONDITION_CELLS, CONDITION_CELLS)
        before = [self._samples(edit.before, square, is_seen=True) for edit in edits]
        return Batch(cells, self._samples(after, cells), before)

    def _samples(self, scenes: Sequence[Scene], cells: Cells, *, is_seen: bool = False) -> Sequence[Sample]:
        """Returns the pictures of the scenes as training data.

        Their visual tokens are those that the AR model writes or, if `is_seen`, those of condition images.
        """
        pictures, halves = tensors_of(scenes, cells)
        codes = doubled(self._encoders.codes(halves) if is_seen else self._encoders.codes_of(scenes, cells))
        latents = self._encoders.latents(pictures)
        words = [scene.word for scene in scenes]
        letters = [letters_of(scene, cells) for scene in scenes]
        return [Sample(*one) for one in zip(latents, weights_of(pictures), codes, words, letters, strict=True)]


def scene_of(rng: Random) -> Scene:
    """Returns a random scene (a background with shapes and a word) for the training of the DiT.

    In most scenes the shapes are exactly at their places, as in the token grids that the AR model writes.
    """
    scene = random_scene(rng)
    if scene.word and rng.random() < _WORDLESS:
        scene = random_shapes(rng, rng.choice((1, 1, 2, 3)))
    if scene.shapes and not scene.word and rng.random() < _GRADED:
        scene = replace(scene, pattern="graded")
    return exact(scene) if rng.random() < _EXACT else scene


def mixture_of(scene: Scene, rng: Random) -> tuple[str, float] | None:
    """Chooses a random colour to mix with the background colour of the scene. Returns it with its share, from 0 to 1.

    Returns None if the background is not plain, or if a shape would be held out on a background that looks alike.
    """
    taken = {scene.background, scene.word_colour, *(shape.colour for shape in scene.shapes)}
    colour, share = rng.choice([name for name in COLOURS if name not in taken]), rng.uniform(0.2, 0.8)
    mixed = [
        (1 - share) * one + share * other for one, other in zip(COLOURS[scene.background], COLOURS[colour], strict=True)
    ]
    near = [name for name, rgb in COLOURS.items() if math.dist(rgb, mixed) < _NEAR] + [colour]
    if scene.pattern != "plain" or any(
        is_held_out(one.name, one.colour, name) for one in scene.shapes for name in near
    ):
        return None
    return colour, share


def weights_of(pictures: Tensor) -> Tensor:
    """Returns the weights of errors in the DiT's loss, with shape (pictures, 1, height / 8, width / 8).

    Errors in the background count less, because most of a picture is background, which the model learns at once. A
    pixel counts as background if its colour is close to that of the pixel in the picture's corner.
    """
    differs = (pictures - pictures[..., :1, :1]).abs().amax(1, keepdim=True) > 0.2
    return 1 + _FOREGROUND * F.max_pool2d(F.max_pool2d(differs.float(), 8), 3, 1, 1)


def letters_of(scene: Scene, cells: Cells) -> Tensor:
    """Returns the letter that each DiT token shows, as an index in `LETTERS`, or `UNKNOWN` where no letter is."""
    height, width = (side * CELL_PX for side in cells)
    shown = letters_shown(scene, width, height)
    return torch.tensor([LETTERS.index(letter) if letter else UNKNOWN for line in shown for letter in line])


def doubled(codes: Tensor) -> Tensor:
    """Copies each visual token to the four DiT tokens that it covers. Returns shape (pictures, 4 x visual tokens)."""
    return codes.repeat_interleave(2, 1).repeat_interleave(2, 2).flatten(1)


def edits_alike(rng: Random, num: int) -> list[Edit]:
    """Returns `num` random edits that all have the same number of condition images."""
    edits = [random_edit(rng)]
    while len(edits) < num:
        edit = random_edit(rng)
        if len(edit.before) == len(edits[0].before):
            edits.append(edit)
    return edits
