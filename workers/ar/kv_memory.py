"""The KV memory itself: keys, values and rotary tables of every sequence in one allocation each. No policy."""

import torch

from workers.ar.kv_book import Extent


class KvMemory:
    """Room for `num_tokens` tokens, and one more that rows without a sequence may write to.

    `keys[layer]` and `values[layer]` are (KV heads, tokens, head size); `cos` and `sin` are (tokens, rotated size).
    Nothing is read before it was written, so memory that no sequence used yet costs a CPU's host nothing.
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
        shape = (num_layers, num_kv_heads, num_tokens + 1, head_size)
        self.keys = torch.empty(shape, device=device, dtype=dtype)
        self.values = torch.empty(shape, device=device, dtype=dtype)
        self.cos = torch.empty(num_tokens + 1, rotated_size, device=device, dtype=dtype)
        self.sin = torch.empty(num_tokens + 1, rotated_size, device=device, dtype=dtype)
        self.scratch = num_tokens

    def copy(self, source: Extent, target: Extent, num_tokens: int) -> None:
        """The first `num_tokens` keys and values of one extent to another: a prompt that two sequences share."""
        for memory in (self.keys, self.values):
            memory[:, :, target.start : target.start + num_tokens] = memory[
                :, :, source.start : source.start + num_tokens
            ]
