"""Makes random training batches of the AR model: sequences of a prompt, condition images and visual tokens. Computes no
loss.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import torch
from torch import Tensor

from shared.geometry import small_grid
from workers.checkpoint.demo.models import ar as ar_model
from workers.checkpoint.demo.models.encoders import CELL_PX, CONDITION_CELLS, Encoders, tensors_of
from workers.checkpoint.demo.models.eyes import kinds_of
from workers.checkpoint.demo.world.drawing import LETTER
from workers.checkpoint.demo.world.edits import Edit, random_edit
from workers.checkpoint.demo.world.prompts import prompt_of
from workers.checkpoint.demo.world.scenes import Scene, exact, random_scene, random_shapes

Cells = tuple[int, int]  # rows and columns of visual tokens

_TOKENS_A_STEP = 2_000
_TOKENS_OF_EDIT = 340  # about the length of a sequence with one condition image, without its large grid
_TOKENS_OF_DRAFT = 280  # about the length of a prompt and its small grid
# Rows and columns of the tokens of scenes and of the results of edits.
_SIZES = (*((8, 8),) * 3, (8, 12), (12, 8), (8, 16), (16, 8), (12, 12), (16, 16))
_SIZES_OF_EDITS = (*((8, 8),) * 4, (8, 12), (12, 8))
_TOKENS_OF_PROMPT = 40
_STARTED = 0.6  # about the share of a token grid before the first token of its last shape
# Shares of the kinds of batches in three phases of the training: with one shape, at one size, at all sizes.
# - "name": scenes with one shape. The sequences end with the first token of the shape, so a batch has many shapes. The
#   AR model learns their names in 200 steps. From all kinds together it had not learned them after thousands.
# - "single", "alone": scenes with one shape, and any scenes.
# - "starts": scenes with up to three shapes. The sequences end with the first token of the last shape. From whole grids
#   alone the AR model did not learn which of several shapes is where.
# - "misled": the small grid is that of another scene and does not count in the loss. So the large grid follows the
#   prompt and not the errors of the small one.
# - "whole": any scenes, with both grids.
# - "edit": edits, which have no small grid.
# The first four leave out the small grid, but not its place among the positions. So they are a third as long, and what
# is learned from them holds when the small grid is there.
_FIRST: Mapping[str, float] = {"name": 0.5, "single": 0.5}
_SQUARE: Mapping[str, float] = {"starts": 0.25, "alone": 0.25, "misled": 0.15, "edit": 0.35}
_ANY_SIZE: Mapping[str, float] = {"starts": 0.15, "alone": 0.2, "misled": 0.15, "whole": 0.1, "edit": 0.4}
_FIRST_UNTIL, _SQUARE_UNTIL = 0.05, 0.35  # shares of the training
_WITHOUT_DRAFT, _STARTS = ("name", "single", "alone", "starts"), ("name", "starts")
_SINGLE, _UP_TO_THREE = (1,), (1, 2, 2, 3)  # numbers of shapes to choose from
_NUMS_OF_SHAPES = {"name": _SINGLE, "single": _SINGLE, "starts": _UP_TO_THREE}
_SQUARE_CELLS = (8, 8)
_SPOILT = 0.12  # share of the tokens of a misleading small grid that are replaced by others of this grid
# Share of scenes with a word that are replaced by scenes without. The DiT spells words from glyphs, so few are enough.
_WORDLESS = 0.4
_EXACT_EDITS = 0.6  # share of edits whose shapes are exactly at their places
_FRESH = 16  # one in this many samples is new; the others are repeated
_MOST_STORED = 8_000  # samples of one size that are stored for repetition


@dataclass(frozen=True, slots=True)
class Sample:
    """One training sequence of the AR model.

    - `asked` holds the token ids of the input, up to the picture's start token.
    - `drawn` holds the token ids of the output: the token grids, then the end token.
    - `cells` holds the numbers of rows and columns of these token grids.
    - `grids` holds the grid sizes that the Hugging Face processor passes to the model, with shape (images, 3):
      condition images first, then the large target grid, then the small one.
    - `decisive` holds the indices in `drawn` of the first token of each shape, which says what the shape is.
    - `misleading` holds tokens that the model sees instead of the first ones of `drawn`. These do not count in the
      loss.
    - `num_left_out` is the number of tokens between `asked` and `drawn` that the sequence lacks. Positions count them.
    """

    asked: list[int]
    drawn: list[int]
    cells: Sequence[Cells]
    grids: Tensor
    decisive: Sequence[int]
    misleading: Sequence[int] = ()
    num_left_out: int = 0

    @property
    def seen(self) -> list[int]:
        """Returns the token ids that the model sees: of the input, and of the output but for its last token."""
        return [*self.asked, *self.misleading, *self.drawn[len(self.misleading) : -1]]


class Batches:
    """Makes random training batches of the AR model. Stores samples in order to use them again, because drawing and
    encoding pictures costs a third of a step.

    A run that continues from a saved state starts without stored samples. So it trains with other samples than an
    uninterrupted run.
    """

    def __init__(self, encoders: Encoders) -> None:
        self._encoders = encoders
        self._stored_samples: dict[tuple[Cells, str], list[Sample]] = {}

    def draw(self, rng: Random, progress: float) -> Sequence[Sample]:
        """Returns the next random batch, of one kind and one picture size.

        `progress` is the share of the training that is done, from 0 to 1.
        """
        shares = _FIRST if progress < _FIRST_UNTIL else _SQUARE if progress < _SQUARE_UNTIL else _ANY_SIZE
        [kind] = rng.choices(list(shares), list(shares.values()))
        sizes = _SIZES_OF_EDITS if kind == "edit" else _SIZES
        cells = rng.choice(sizes) if shares is _ANY_SIZE else _SQUARE_CELLS
        num = _TOKENS_A_STEP // _length_of(kind, cells)
        stored = self._stored_samples.setdefault((cells, kind), [])
        num_fresh = num if len(stored) < 4 * num else -(-num // _FRESH)
        fresh = self._samples(rng, num_fresh, cells, kind)
        samples = [*fresh, *rng.sample(stored, num - num_fresh)]
        stored.extend(fresh)
        while len(stored) > _MOST_STORED:
            stored[rng.randrange(len(stored))] = stored[-1]
            stored.pop()
        return samples

    def _samples(self, rng: Random, num: int, cells: Cells, kind: str) -> Sequence[Sample]:
        if kind == "edit":
            return [sample_of_edit(edit_of(rng), cells, self._encoders) for _ in range(num)]
        nums = _NUMS_OF_SHAPES.get(kind)
        scenes = [exact(random_shapes(rng, rng.choice(nums))) if nums else scene_of(rng) for _ in range(num)]
        has_draft = kind not in _WITHOUT_DRAFT
        samples = samples_of_scenes(scenes, cells, self._encoders, rng, has_draft=has_draft)
        if kind in _STARTS:
            return [start_of(one) for one in samples]
        if kind == "misled":
            return misled(samples, scenes, rng)
        return samples


def _length_of(kind: str, cells: Cells) -> int:
    """Returns about how many tokens a sequence of this kind of batch has."""
    num = cells[0] * cells[1]
    if kind in _STARTS:
        return _TOKENS_OF_PROMPT + round(_STARTED * num)
    before = {"edit": _TOKENS_OF_EDIT, "single": _TOKENS_OF_PROMPT, "alone": _TOKENS_OF_PROMPT}
    return before.get(kind, _TOKENS_OF_DRAFT) + num


def scene_of(rng: Random) -> Scene:
    """Returns a random scene (a background with shapes and a word) for the training of the AR model. The shapes are
    exactly at the places that a prompt for this scene names.
    """
    scene = random_scene(rng)
    if scene.word and rng.random() < _WORDLESS:
        scene = random_shapes(rng, rng.choice((1, 1, 1, 2, 3)))
    return exact(scene)


def samples_of_scenes(
    scenes: Sequence[Scene], cells: Cells, encoders: Encoders, rng: Random, *, has_draft: bool = True
) -> Sequence[Sample]:
    """Returns a text-to-picture training sample for each scene (a background with shapes and a word). The output of a
    sample is a small token grid, then the large one. Without `has_draft`, the sequence lacks the small grid.
    """
    small = small_grid(cells[1] * CELL_PX, cells[0] * CELL_PX)
    draft = small.rows, small.cols
    written = (draft, cells) if has_draft else (cells,)
    codes = [encoders.codes_of(scenes, grid).flatten(1) for grid in written]
    return [
        Sample(
            ar_model.prompt_ids(prompt_of(scene, rng), (cells, draft)),
            [*drawn, ar_model.END_ID],
            written,
            torch.tensor([[1, *cells], [1, *draft]]),
            first_of_shapes(scene, written[0]),
            num_left_out=0 if has_draft else small.num_tokens,
        )
        for scene, drawn in zip(scenes, torch.cat(codes, dim=1).tolist(), strict=True)
    ]


def misled(samples: Sequence[Sample], scenes: Sequence[Scene], rng: Random) -> Sequence[Sample]:
    """Replaces the small grid of each sample with that of another sample, and moves some of its tokens to wrong places.

    So the AR model learns to write the large grid from the prompt, even if its own small grid is wrong. `scenes` are
    those of the samples. Returns the new samples.
    """
    cells = samples[0].cells
    num = cells[0][0] * cells[0][1]
    result = []
    for sample, other, scene in zip(samples, [*samples[1:], samples[0]], scenes, strict=True):
        codes = other.drawn[:num]
        spoilt = [rng.choice(codes) if rng.random() < _SPOILT else code for code in codes]
        decisive = [num + index for index in first_of_shapes(scene, cells[1])]
        result.append(replace(sample, misleading=spoilt, decisive=decisive))
    return result


def edit_of(rng: Random) -> Edit:
    """Returns a random edit for the training of the AR model. In most, the shapes are exactly at their places."""
    edit = random_edit(rng)
    if rng.random() < _EXACT_EDITS:
        return replace(edit, before=[exact(one) for one in edit.before], after=exact(edit.after))
    return edit


def sample_of_edit(edit: Edit, cells: Cells, encoders: Encoders) -> Sample:
    """Returns the training sample of an edit. As in the real model, an edit has no small grid before the large one."""
    square = (CONDITION_CELLS, CONDITION_CELLS)
    seen = encoders.codes(tensors_of(edit.before, square)[1]).flatten(1).tolist()
    drawn = encoders.codes_of([edit.after], cells).flatten().tolist()
    shown = [token for codes in seen for token in (ar_model.START_ID, *codes, ar_model.END_ID)]
    grids = torch.tensor([*([1, *square] for _ in seen), [1, *cells]])
    asked = [*shown, *ar_model.prompt_ids(edit.instruction, (cells,))]
    return Sample(asked, [*drawn, ar_model.END_ID], (cells,), grids, first_of_shapes(edit.after, cells))


def first_of_shapes(scene: Scene, cells: Cells) -> Sequence[int]:
    """Returns the index, in a token grid of the scene, of the first token of each kind of shape."""
    kinds = kinds_of(scene, cells).flatten().tolist()
    return [kinds.index(kind) for kind in range(1, LETTER) if kind in kinds]


def start_of(sample: Sample) -> Sample:
    """Returns the sample without the tokens after the first token of its last shape."""
    return replace(sample, drawn=sample.drawn[: max(sample.decisive) + 1])
