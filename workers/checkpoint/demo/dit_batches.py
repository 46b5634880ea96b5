"""Draws what the DiT learns from: latents, visual tokens and words of scenes and edits. Computes no loss."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from string import ascii_uppercase

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor

from workers.checkpoint.demo.models.encoders import CELL_PX, CONDITION_CELLS, Encoders, tensors_of
from workers.checkpoint.demo.models.probe import UNKNOWN
from workers.checkpoint.demo.world.drawing import letters_shown
from workers.checkpoint.demo.world.edits import Edit, random_edit
from workers.checkpoint.demo.world.scenes import LETTERS, Scene, is_held_out_word, random_scene

Cells = tuple[int, int]  # rows and columns of visual tokens

_TOKENS_A_STEP = 4_096  # image tokens of a batch: 16 pictures of 256x256
# Sizes, by the share of training that is done: small pictures first, which are quick.
_EARLY: Sequence[Cells] = ((5, 5), (6, 6), (6, 6), (8, 8), (8, 8))
_LATE: Sequence[Cells] = (*((8, 8),) * 12, (6, 6), (8, 12), (12, 8), (8, 16), (16, 8), (12, 12), (16, 16))
_OF_EDITS: Sequence[Cells] = ((8, 8), (8, 8), (8, 12), (12, 8))
_EARLY_UNTIL = 0.05
_EDITS = 0.08  # of all batches after the early ones
_EDITS_A_STEP = 4
_MISSPELT = 0.5  # of pictures with a word: tokens of another word, so that letters are learned from the glyphs
_FRESH = 4  # one picture of so many is new, the others were seen with other noise; encoding costs as much as a step
_FOREGROUND = 3.0  # an error in shapes and letters counts so much more
_KEPT = 3_000  # pictures of one size


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture as the DiT is taught it.

    `latents`: (16, height / 8, width / 8); `weights`: (1, height / 8, width / 8); `codes`: (DiT tokens); `letters`:
    (DiT tokens), which of `LETTERS` each one shows.
    """

    latents: Tensor
    weights: Tensor
    codes: Tensor
    word: str
    letters: Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of one size. For edits, `before` has the condition pictures of each; all have as many."""

    cells: Cells
    samples: Sequence[Sample]
    before: Sequence[Sequence[Sample]] = ()


class Batches:
    """Draws one batch after the other, and keeps pictures to show them again.

    A run that goes on from a state has forgotten them, so it sees other pictures than an unbroken one.
    """

    def __init__(self, encoders: Encoders) -> None:
        self._encoders = encoders
        self._kept: dict[Cells, list[Sample]] = {}

    def draw(self, rng: Random, progress: float) -> Batch:
        """`progress` is the share of training that is done."""
        if progress < _EARLY_UNTIL:
            return self._of_scenes(rng, rng.choice(_EARLY))
        if rng.random() < _EDITS:
            return self._of_edits(rng, rng.choice(_OF_EDITS))
        return self._of_scenes(rng, rng.choice(_LATE))

    def _of_scenes(self, rng: Random, cells: Cells) -> Batch:
        num = max(1, _TOKENS_A_STEP // (4 * cells[0] * cells[1]))
        kept = self._kept.setdefault(cells, [])
        num_fresh = num if len(kept) < 4 * num else -(-num // _FRESH)
        fresh = self._scenes(rng, num_fresh, cells)
        samples = [*fresh, *rng.sample(kept, num - num_fresh)]
        kept.extend(fresh)
        while len(kept) > _KEPT:
            kept[rng.randrange(len(kept))] = kept[-1]
            kept.pop()
        return Batch(cells, samples)

    def _scenes(self, rng: Random, num: int, cells: Cells) -> Sequence[Sample]:
        scenes = [random_scene(rng) for _ in range(num)]
        return self._samples(scenes, [misspelt(scene, rng) for scene in scenes], cells)

    def _of_edits(self, rng: Random, cells: Cells) -> Batch:
        edits = edits_alike(rng, _EDITS_A_STEP)
        after = [edit.after for edit in edits]
        square = (CONDITION_CELLS, CONDITION_CELLS)
        before = [self._samples(edit.before, edit.before, square) for edit in edits]
        return Batch(cells, self._samples(after, after, cells), before)

    def _samples(self, scenes: Sequence[Scene], told: Sequence[Scene], cells: Cells) -> Sequence[Sample]:
        """Latents of the scenes, and visual tokens of what the AR model is supposed to have told."""
        pictures, halves = tensors_of(scenes, cells)
        if told != scenes:
            halves = tensors_of(told, cells)[1]
        latents, codes = self._encoders.latents(pictures), doubled(self._encoders.codes(halves))
        words = [scene.word for scene in scenes]
        letters = [letters_of(scene, cells) for scene in scenes]
        return [Sample(*one) for one in zip(latents, weights_of(pictures), codes, words, letters, strict=True)]


def weights_of(pictures: Tensor) -> Tensor:
    """(pictures, 1, height / 8, width / 8): where the picture is not as in its corner, an error counts several times.

    Most of a picture is background, which is learned at once.
    """
    differs = (pictures - pictures[..., :1, :1]).abs().amax(1, keepdim=True) > 0.2
    return 1 + _FOREGROUND * F.max_pool2d(F.max_pool2d(differs.float(), 8), 3, 1, 1)


def letters_of(scene: Scene, cells: Cells) -> Tensor:
    """(DiT tokens): the letter that each of them shows, as its place in `LETTERS`; `UNKNOWN` where none is."""
    height, width = (side * CELL_PX for side in cells)
    shown = letters_shown(scene, width, height, CELL_PX // 2)
    return torch.tensor([LETTERS.index(letter) if letter else UNKNOWN for line in shown for letter in line])


def doubled(codes: Tensor) -> Tensor:
    """(pictures, 4 x tokens): each visual token for four DiT tokens."""
    return codes.repeat_interleave(2, 1).repeat_interleave(2, 2).flatten(1)


def edits_alike(rng: Random, num: int) -> list[Edit]:
    """Draws `num` edits that all have the same number of condition pictures."""
    edits = [random_edit(rng)]
    while len(edits) < num:
        edit = random_edit(rng)
        if len(edit.before) == len(edits[0].before):
            edits.append(edit)
    return edits


def misspelt(scene: Scene, rng: Random) -> Scene:
    """For some scenes with a word: the same scene with another word of that length, which training may see."""
    if not scene.word or rng.random() > _MISSPELT:
        return scene
    while True:
        word = "".join(rng.choices(ascii_uppercase, k=len(scene.word)))
        if not is_held_out_word(word):
            return replace(scene, word=word)
