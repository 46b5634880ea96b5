"""Trains the parts of the AR model that encode pictures: the vision encoder and the codebook.

They encode each square of 32x32 pixels as one visual token. The code calls them "eyes".
"""

from collections.abc import Mapping
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor, nn
from transformers import GlmImageForConditionalGeneration

from workers.checkpoint.demo.loop import Recipe, train
from workers.checkpoint.demo.models import ar as ar_model
from workers.checkpoint.demo.world.drawing import draw
from workers.checkpoint.demo.world.pixels import half_of, to_picture, to_tensor
from workers.checkpoint.demo.world.scenes import Scene, exact, random_scene, random_shapes

RECIPE = Recipe(num_steps=4_600, learning_rate=1.5e-3, weight_decay=0.0, has_muon=True)
_BATCH = 24
_REVIVE_EVERY = 50  # steps, after which codes that no patch chose move to the patches with the worst match
_MOST_REVIVED = 64
_FOREGROUND, _DIFFERENT, _MARGIN_PX = 3.0, 0.2, 4
# Share of scenes with a word that are replaced by scenes without. The DiT spells words from glyphs, so the codes are
# better spent on shapes.
_WORDLESS = 0.8
_EXACT = 0.8  # share of scenes whose shapes are exactly at their places, as those that the AR model learns
_CELLS = (6, 8, 8, 8, 8, 8, 12)  # visual tokens on a side of a square training picture


class Eyes(nn.Module):
    """The AR model's vision encoder and codebook, with a decoder that only their training needs.

    Pictures are encoded and decoded at half of the width and height that the service paints.
    """

    def __init__(self, model: GlmImageForConditionalGeneration) -> None:
        super().__init__()
        self.visual, self.vqmodel = model.model.visual, model.model.vqmodel
        width, dim = model.config.vision_config.hidden_size, model.config.vq_config.embed_dim
        self.vqmodel.requires_grad_(requires_grad=True)
        self.decoder = nn.Sequential(
            nn.Conv2d(dim, 2 * width, 3, padding=1), nn.GELU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1), nn.GELU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1), nn.GELU(),
            nn.Conv2d(2 * width, 3 * ar_model.PATCH_PX**2, 1),
        )  # fmt: skip

    def features(self, pictures: Tensor) -> Tensor:
        """Encodes pictures as features, before the codebook quantises them. Returns shape (pictures, dim, rows,
        columns).

        `pictures` has shape (pictures, 3, height, width) and values from -1 to 1. Its pictures have half of the full
        width and height.
        """
        patches, grid = ar_model.patches_of(pictures)
        seen = self.visual(patches, grid_thw=grid).last_hidden_state
        rows, cols = grid[0, 1:].tolist()
        seen = seen.view(len(pictures), rows, cols, -1).permute(0, 3, 1, 2)
        return self.vqmodel.quant_conv(seen)

    def rebuilt(self, quantised: Tensor) -> Tensor:
        """Decodes quantised features and returns pictures of half of the full width and height."""
        return F.pixel_shuffle(self.decoder(quantised), ar_model.PATCH_PX)


class Batches:
    """Makes random training batches of the vision encoder and codebook, and returns their losses.

    Also counts how often each codebook entry is used, and moves unused entries to features that no entry matches well.
    A run that continues from a saved state starts counting at zero. So it may move other entries than an uninterrupted
    run.
    """

    def __init__(self, eyes: Eyes, num_pictures: int = _BATCH) -> None:
        self._eyes, self._num_pictures = eyes, num_pictures
        self._used = torch.zeros(ar_model.NUM_CODES)

    def loss(self, rng: Random, progress: float) -> Mapping[str, Tensor]:
        pictures = random_halves(rng, self._num_pictures)
        features = self._eyes.features(pictures)
        if (round(progress * RECIPE.num_steps) + 1) % _REVIVE_EVERY == 0:
            self._revive(features, rng)
        quantised, commitment, codes = self._eyes.vqmodel.quantize(features)
        self._used.index_add_(0, codes, torch.ones(len(codes)))
        squared = (self._eyes.rebuilt(quantised) - pictures).square()
        error = (squared * weights_of(pictures)).mean()
        share = (codes.bincount(minlength=ar_model.NUM_CODES) > 0).float().mean()
        return {"loss": error + commitment, "psnr": 10 * torch.log10(4 / squared.mean()), "used": share}

    @torch.no_grad()
    def _revive(self, features: Tensor, rng: Random) -> None:
        """Moves unused codebook entries to image features of this batch that no entry matches well.

        An entry is unused if no patch chose it since the last call.
        """
        book = self._eyes.vqmodel.quantize.embedding.weight
        flat = F.normalize(features.detach().permute(0, 2, 3, 1).reshape(-1, book.shape[1]), dim=-1)
        fit_of = (flat @ F.normalize(book, dim=-1).T).max(dim=1).values
        dead = (self._used == 0).nonzero().flatten()
        worst = fit_of.argsort()[: len(dead)].tolist()
        chosen = rng.sample(worst, min(len(worst), _MOST_REVIVED))
        book[dead[: len(chosen)]] = flat[chosen]
        self._used.zero_()


def weights_of(pictures: Tensor) -> Tensor:
    """Returns the weights of errors in the loss of the vision encoder, with shape (pictures, 1, height, width).

    Errors in the background count less, because most of a picture is background, which the model learns at once. A
    pixel counts as background if its colour is close to that of the pixel in the picture's corner.
    """
    differs = (pictures - pictures[..., :1, :1]).abs().amax(1, keepdim=True) > _DIFFERENT
    return 1 + _FOREGROUND * F.max_pool2d(differs.float(), 2 * _MARGIN_PX + 1, 1, _MARGIN_PX)


def fit(folder: Path) -> Eyes:
    """Trains the vision encoder and the codebook to the last step and returns them.

    An interrupted run continues from its last save.
    """
    torch.manual_seed(1)
    eyes = Eyes(ar_model.build())

    def show(averaged: Eyes) -> None:
        show_rebuilt(averaged, folder / "vq.png")

    return train(eyes, Batches(eyes).loss, RECIPE, folder / "vq.pt", on_save=show)


def random_halves(rng: Random, num: int, cells: int = 0) -> Tensor:
    """Draws `num` random scenes (backgrounds with shapes and words) and returns square pictures of one size.

    The pictures have half of the full width and height, because the vision encoder gets halved pictures. `cells` is the
    number of visual tokens on a side; 0 chooses it at random.
    """
    cells = cells or rng.choice(_CELLS)
    side = cells * ar_model.PATCH_PX
    return torch.stack([to_tensor(half_of(draw(_scene(rng), 2 * side, 2 * side))) for _ in range(num)])


def _scene(rng: Random) -> Scene:
    scene = random_scene(rng)
    if scene.word and rng.random() < _WORDLESS:
        scene = random_shapes(rng, rng.choice((1, 1, 2, 3)))
    return exact(scene) if rng.random() < _EXACT else scene


@torch.no_grad()
def show_rebuilt(eyes: Eyes, path: Path) -> None:
    """Saves an image with some pictures above and the same pictures, decoded from their visual tokens, below."""
    pictures = random_halves(Random("sheet"), 6, cells=8)
    rebuilt = eyes.rebuilt(eyes.vqmodel.quantize(eyes.features(pictures))[0])
    rows = [torch.cat(list(row), dim=2) for row in (pictures, rebuilt)]
    to_picture(torch.cat(rows, dim=1)).save(path)
