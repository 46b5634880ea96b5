"""The part of the AR model that encodes pictures as visual tokens: its vision encoder and codebook. The code calls them
"eyes".
"""

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor, nn
from transformers import GlmImageForConditionalGeneration

from workers.checkpoint.demo.models import ar as ar_model
from workers.checkpoint.demo.world.drawing import LETTER, kinds_shown
from workers.checkpoint.demo.world.scenes import Scene

_EVERY = 4  # one in this many rows and columns of pixels is looked at to see what a patch shows


class Eyes(nn.Module):
    """The AR model's vision encoder and codebook, with a decoder and a classifier that only their training needs.

    Pictures are encoded and decoded at half of the width and height that the service paints. The encoder gets no
    positions: its position embeddings are zero. So patches with the same look get the same visual token wherever they
    are, which makes visual tokens easier to predict.
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
        self.namer = nn.Conv2d(dim, LETTER + 1, 1)
        self.visual.embeddings.requires_grad_(requires_grad=False)

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


def kinds_of(scene: Scene, cells: tuple[int, int]) -> Tensor:
    """Returns what each patch of the scene's picture shows, as `kinds_shown` does. `cells` is also the shape: the rows
    and columns of patches.

    A patch counts as background if less than a fiftieth of it shows something else.
    """
    rows, cols = cells
    patch_px = 2 * ar_model.PATCH_PX
    shown = torch.tensor(kinds_shown(scene, cols * patch_px, rows * patch_px)[::_EVERY, ::_EVERY], dtype=torch.long)
    patch = patch_px // _EVERY
    patches = shown.view(rows, patch, cols, patch).transpose(1, 2).flatten(2)
    counts = F.one_hot(patches, LETTER + 1).sum(2)
    counts[..., 0] = patch**2 // 50
    return counts.argmax(-1)
