"""Converts condition images to token grids. Each image is converted once, even if several renders or jobs use the same
image.
"""

from collections import OrderedDict

import torch

from shared.geometry import GridSize
from shared.ids import ObjectKey
from shared.jobs.token_grid import TokenGrid
from workers.ar.model.loading import ArModel

_MOST_KEPT = 256  # token grids in the cache, of at most 4,096 ids each


class ConditionTokenizer:
    """Converts condition images to token grids with the vision encoder and the VQ codebook, and caches the grids.

    A cached grid never becomes stale, because an image's object key is a hash of its content.
    """

    def __init__(self, model: ArModel) -> None:
        self._network = model.network
        self._kept: OrderedDict[ObjectKey, TokenGrid] = OrderedDict()

    @torch.inference_mode()
    def tokenize(self, key: ObjectKey, pixel_values: torch.Tensor, grid: GridSize) -> TokenGrid:
        """Returns the token grid of one preprocessed condition image, with one token for each 32x32 pixels.

        `key` is the image's object key, and `pixel_values` is (patches, values per patch).
        """
        if key not in self._kept:
            self._kept[key] = TokenGrid(grid, tuple(self._encode(pixel_values, grid)))
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _encode(self, pixel_values: torch.Tensor, grid: GridSize) -> list[int]:
        device = self._network.device
        grid_thw = torch.tensor([[1, grid.rows, grid.cols]], device=device)
        features = self._network.get_image_features(pixel_values.to(device), grid_thw).pooler_output
        token_ids: list[int] = self._network.get_image_tokens(torch.cat(features), grid_thw).flatten().tolist()
        return token_ids
