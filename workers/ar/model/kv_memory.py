"""The KV memory itself: keys, values and rotary tables of every sequence in one allocation each. No policy."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workers.ar.kv_book import Extent


class KvMemory:
    """Room for `num_tokens` tokens, and one more that rows without a sequence may write to.

    `entries[layer]` is (tokens, 2 x KV heads, head size): a token's keys, then its values, so that a row writes both
    at once. `cos` and `sin` are (tokens, rotated size). Nothing is read before it was written, so memory that no
    sequence used yet costs a CPU's host nothing.
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
        """Keys and values (rows, 2 x KV heads, head size) to the tokens `slots` (rows,)."""
        self.entries[layer].index_copy_(0, slots, entries)

    def view(self, start: int, end: int) -> "Span":
        """Tokens `start .. end - 1` of all layers. Cut for all at once, which is much quicker than for each."""
        heads = self.entries[:, start:end].transpose(1, 2).unsqueeze(1)
        keys, values = torch.split(heads, self._num_kv_heads, dim=2)
        return Span(keys.unbind(), values.unbind())

    def copy(self, source: Extent, target: Extent, num_tokens: int) -> None:
        """The first `num_tokens` keys and values of one extent to another: a prompt that two sequences share."""
        self.entries[:, target.start : target.start + num_tokens] = self.entries[
            :, source.start : source.start + num_tokens
        ]


@dataclass(frozen=True, slots=True)
class Span:
    """All that one row may look at: for each layer its keys and its values, (1, KV heads, tokens, head size)."""

    keys: Sequence[Tensor]
    values: Sequence[Tensor]
