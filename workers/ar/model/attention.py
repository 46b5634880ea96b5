"""The attention of a decode step: each row attends only to the tokens of its own sequence in the KV memory.

The projection weights belong to `Decoder`.
"""

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import Tensor

from workers.ar.model.kv_memory import KvMemory

# (layer index, queries) -> attended values. Both tensors are (rows, heads, head size).
Attend = Callable[[int, Tensor], Tensor]


class Attention(Protocol):
    """Computes the attention of a decode step. Row k attends to the tokens `starts[k] .. starts[k] + lengths[k] - 1` of
    the KV memory and to no others.

    The result of a row does not depend on the other rows.
    """

    def over(self, starts: Tensor, lengths: Tensor) -> Attend:
        """Returns the attention function of one decode step, for the given ranges of the KV memory.

        `starts` and `lengths` have the first token and the number of tokens of each row's range. Both are (rows,)
        int64.
        """


class RowAttention:
    """Computes attention with one call of torch's `scaled_dot_product_attention` for each row.

    This is the fastest way on a CPU. On any device it is the reference with which other implementations are compared.
    It needs the lengths on the host, so a CUDA graph can't capture it.
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
