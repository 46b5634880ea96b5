"""The KV memory: tensors with the keys, values and rotary tables of all sequences, allocated once at start-up.

This module does not decide which sequence uses which part of the memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workers.ar.kv_allocator import Extent


class KvMemory:
    """Holds the keys, values and rotary tables of `num_tokens` tokens. One more token, the scratch token, takes the
    writes of rows that have no sequence.

    `entries[layer]` is (tokens, 2 x KV heads, head size): the keys of a token, then its values, so that a row writes
    both at once. `cos` and `sin` are (tokens, rotated size). Memory is not initialised, because it is written before it
    is read. So on a CPU, memory that no sequence has used yet takes no RAM.
    """

    def __init__(
        self,
        *,
        num_layers: int,
        num_kv_heads: int,
        head_size: int,
        rotated_size: int,
        num_tokens: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._num_kv_heads = num_kv_heads
        self.entries = torch.empty(num_layers, num_tokens + 1, 2 * num_kv_heads, head_size, device=device, dtype=dtype)
        self.cos = torch.empty(num_tokens + 1, rotated_size, device=device, dtype=dtype)
        self.sin = torch.empty(num_tokens + 1, rotated_size, device=device, dtype=dtype)
        self.scratch = num_tokens

    def write(self, layer: int, slots: Tensor, entries: Tensor) -> None:
        """Writes the keys and values of one token for each row. Row k is written to the token `slots[k]` of the given
        layer.

        `entries` is (rows, 2 x KV heads, head size), `slots` is (rows,).
        """
        self.entries[layer].index_copy_(0, slots, entries)

    def view(self, start: int, end: int) -> "Span":
        """Returns views of the keys and values of the tokens `start .. end - 1` in all layers.

        All layers are sliced at once, which is much faster than one slice for each layer.
        """
        heads = self.entries[:, start:end].transpose(1, 2).unsqueeze(1)
        keys, values = torch.split(heads, self._num_kv_heads, dim=2)
        return Span(keys.unbind(), values.unbind())

    def copy(self, source: Extent, target: Extent, num_tokens: int) -> None:
        """Copies the keys and values of the first `num_tokens` tokens from one extent (a range of the KV memory) to
        another. This is used for sequences with the same prompt.
        """
        self.entries[:, target.start : target.start + num_tokens] = self.entries[
            :, source.start : source.start + num_tokens
        ]


@dataclass(frozen=True, slots=True)
class Span:
    """The keys and values of a range of tokens of one sequence: a tensor (1, KV heads, tokens, head size) for each
    layer.
    """

    keys: Sequence[Tensor]
    values: Sequence[Tensor]
