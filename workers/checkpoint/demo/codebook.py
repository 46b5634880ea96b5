"""Splits the entries of the trained codebook, so that a visual token says which shape it is a part of.

Training leaves most entries unused, and parts of different shapes share an entry: a corner of a small circle and one of
a small square look alike. What the AR model shall write is the same for the same scene, so more entries make it no
harder to predict. They make it easier for the DiT to paint the right shape.
"""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor

from workers.checkpoint.demo.models import ar as ar_model
from workers.checkpoint.demo.models.eyes import Eyes, kinds_of
from workers.checkpoint.demo.world.drawing import LETTER, draw, draw_figures
from workers.checkpoint.demo.world.pixels import half_of, to_tensor
from workers.checkpoint.demo.world.scenes import Scene, exact, random_scene, random_shapes

# Rows and columns of visual tokens of the pictures that are looked at.
_SIZES = (*((8, 8),) * 5, (8, 12), (12, 8), (12, 12), (16, 16), (8, 16), (16, 8))
_NUM_BATCHES, _TOKENS_A_BATCH = 100, 1_536
_WITH_WORDS = 0.3  # share of scenes that may have a word
_MOST_A_ROUND, _LEAST_PATCHES = 300, 2  # new entries of a round, and patches that share a new entry
_SAME = 0.99999  # an entry this close to another one, as a cosine, would change nothing


@torch.no_grad()
def split_codes(eyes: Eyes, num_batches: int = _NUM_BATCHES) -> int:
    """Gives patches of different shapes different codebook entries, as far as unused entries are left.

    Looks at `num_batches` batches of random training pictures. An entry that patches of several kinds choose is split:
    it stays that of the kind with most patches. The others get an unused entry, at the mean of their features. Repeats
    this with the new entries. Returns the number of new entries.
    """
    rng = Random("codebook")
    scenes = [_scenes(rng, rng.choice(_SIZES)) for _ in range(num_batches)]
    seen = [_figures(eyes, *batch) for batch in scenes]
    features, kinds = torch.cat([one for one, _ in seen]), torch.cat([one for _, one in seen])
    book = eyes.vqmodel.quantize.embedding.weight
    is_used = torch.zeros(len(book), dtype=torch.bool)
    for batch in scenes:
        is_used[_nearest(_seen(eyes, *batch), book)] = True
    is_used[_nearest(features, book)] = True
    free = (~is_used).nonzero().flatten().tolist()
    num_free = len(free)
    while free and (new := _minorities(features, kinds, book, len(free))):
        for entry in new:
            book[free.pop()] = entry
    return num_free - len(free)


def _minorities(features: Tensor, kinds: Tensor, book: Tensor, most: int) -> Sequence[Tensor]:
    """Returns new entries: the mean features of patches that share an entry with more patches of another kind."""
    nearest = _nearest(features, book)
    counts = _counts(nearest, kinds, len(book))
    counts.scatter_(1, counts.argmax(1, keepdim=True), 0)
    found = counts.flatten().topk(min(most, _MOST_A_ROUND))
    groups = [divmod(group, LETTER + 1) for group in found.indices[found.values >= _LEAST_PATCHES].tolist()]
    entries = F.normalize(book, dim=-1)
    new = [(code, F.normalize(features[(nearest == code) & (kinds == kind)].mean(0), dim=0)) for code, kind in groups]
    return [entry for code, entry in new if float(entry @ entries[code]) < _SAME]


def _counts(nearest: Tensor, kinds: Tensor, num_codes: int) -> Tensor:
    """Returns how many patches of each kind chose each entry, with shape (entries, kinds)."""
    counts = torch.zeros(num_codes, LETTER + 1)
    return counts.index_put_((nearest, kinds), torch.ones(len(kinds)), accumulate=True)


def _nearest(features: Tensor, book: Tensor) -> Tensor:
    entries = F.normalize(book, dim=-1).T
    return torch.cat([(part @ entries).argmax(1) for part in torch.split(features, 4_096)])


def _scenes(rng: Random, cells: tuple[int, int]) -> tuple[Sequence[Scene], tuple[int, int]]:
    """Returns random scenes whose shapes are exactly at their places, and their rows and columns of visual tokens."""
    num = _TOKENS_A_BATCH // (cells[0] * cells[1])
    words = [rng.random() < _WITH_WORDS for _ in range(num)]
    return [exact(random_scene(rng) if word else random_shapes(rng, rng.choice((1, 1, 2, 3)))) for word in words], cells


def _figures(eyes: Eyes, scenes: Sequence[Scene], cells: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Returns the features of the patches with shapes or letters, on grey, and what these patches show."""
    height, width = (2 * side * ar_model.PATCH_PX for side in cells)
    pictures = torch.stack([to_tensor(half_of(draw_figures(scene, width, height))) for scene in scenes])
    kinds = torch.stack([kinds_of(scene, cells) for scene in scenes])
    return _features(eyes, pictures)[kinds > 0], kinds[kinds > 0]


def _seen(eyes: Eyes, scenes: Sequence[Scene], cells: tuple[int, int]) -> Tensor:
    """Returns the features of all patches of the scenes, and of their backgrounds without shapes and words."""
    height, width = (2 * side * ar_model.PATCH_PX for side in cells)
    drawn = [draw(one, width, height) for scene in scenes for one in (scene, replace(scene, shapes=(), word=""))]
    return _features(eyes, torch.stack([to_tensor(half_of(one)) for one in drawn])).flatten(0, 2)


def _features(eyes: Eyes, pictures: Tensor) -> Tensor:
    return F.normalize(eyes.features(pictures).permute(0, 2, 3, 1), dim=-1)
