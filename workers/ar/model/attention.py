"""How the rows of a decode step attend, each over its own extent of the KV memory. The weights are the decoder's."""

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor

from workers.ar.model.kv_memory import KvMemory

Attend = Callable[[int, Tensor], Tensor]  # of a layer: queries (rows, heads, head size) -> as many values


class Attention(Protocol):
    """Row k sees tokens `starts[k] .. starts[k] + lengths[k] - 1`, and what it gets depends on nothing else."""

    def over(self, starts: Tensor, lengths: Tensor) -> Attend:
        """Both are (rows,) int64."""


class RowAttention:
    """One call of torch's own attention per row: quickest on a CPU, and on any device the arithmetic to compare with.

    The lengths have to be known on the host.
    """

    def __init__(self, memory: KvMemory) -> None:
        self._memory = memory

    def over(self, starts: Tensor, lengths: Tensor) -> Attend:
        extents = zip(starts.tolist(), lengths.tolist(), strict=True)
        spans = [self._memory.view(start, start + length) for start, length in extents]

        def attend(layer: int, query: Tensor) -> Tensor:
            num_rows, _, head_size = query.shape
            num_kv_heads = spans[0].keys[layer].shape[1]
            groups = torch.split(query.view(num_rows, num_kv_heads, -1, head_size), 1)
            rows = [
                F.scaled_dot_product_attention(group, span.keys[layer], span.values[layer])
                for group, span in zip(groups, spans, strict=True)
            ]
            return torch.cat(rows)

        return attend
