"""The operations of a decoder layer except its attention, in torch.

`workers/ar/kernels/fused_ops.py` has the same operations as Triton kernels. A worker uses one of the two
forms, for prefills and for decode steps.
"""

from collections.abc import Callable
from typing import Protocol, cast

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import Tensor, nn

from workers.ar.model.kv_memory import KvMemory

# (layer index, queries, keys and values of new tokens) -> rotated queries (rows, heads, head size). The argument is
# (rows, heads + 2 x KV heads, head size). It may be overwritten.
RotateAndWrite = Callable[[int, Tensor], Tensor]


class LayerOps(Protocol):
    """Computes the operations of a decoder layer, except its attention.

    Hidden states are (rows, hidden size). The result of a row does not depend on the other rows.
    """

    def norm(self, hidden: Tensor, weight: Tensor) -> Tensor:
        """Returns the RMS norm of hidden states, multiplied by `weight` (hidden size,)."""

    def add_norm(self, hidden: Tensor, update: Tensor, update_weight: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Adds the norm of `update` to the hidden states. Returns the sum, and the norm of the sum.

        Each norm has a weight of its own. The two results are the hidden states after one half of a layer, and the
        input of the next half.
        """

    def silu_mul(self, gate_up: Tensor) -> Tensor:
        """Returns SiLU(gate) x up, of shape (rows, size). `gate_up` is (rows, 2 x size): the gates, then the rest."""

    def product(self, linear: nn.Module, rows: Tensor) -> Tensor:
        """Applies a linear layer to each row: (rows, in features) becomes (rows, out features)."""

    def at(self, slots: Tensor) -> RotateAndWrite:
        """Returns the function that takes up the tokens of one forward pass, where row k is the token `slots[k]` of
        the KV memory.

        The function applies the rotary embedding to queries and keys, writes keys and values to the KV memory, and
        returns the queries. `slots` is (rows,) int64.
        """


class TorchOps:
    """Computes the operations of a layer with torch, on any device."""

    def __init__(self, memory: KvMemory, num_heads: int, eps: float) -> None:
        self._memory = memory
        self._num_heads = num_heads
        self._eps = eps

    def norm(self, hidden: Tensor, weight: Tensor) -> Tensor:
        if hidden.device.type != "cpu":
            return F.rms_norm(hidden, hidden.shape[-1:], weight, self._eps)
        # On a CPU torch's `rms_norm` is composed of slower operations. A step of 8 layers computes 33 norms.
        norm = torch.linalg.vector_norm(hidden, dim=-1, keepdim=True, dtype=torch.float32)
        scale = torch.rsqrt(norm.square() / hidden.shape[-1] + self._eps)
        return hidden * scale.to(hidden.dtype) * weight

    def add_norm(self, hidden: Tensor, update: Tensor, update_weight: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        total = hidden + self.norm(update, update_weight)
        return total, self.norm(total, weight)

    def silu_mul(self, gate_up: Tensor) -> Tensor:
        gate, up = gate_up.chunk(2, dim=-1)
        return up * F.silu(gate)

    def product(self, linear: nn.Module, rows: Tensor) -> Tensor:
        return cast("Tensor", linear(rows))

    def at(self, slots: Tensor) -> RotateAndWrite:
        num_kv_heads = self._memory.entries.shape[2] // 2
        cos, sin = (table[slots].unsqueeze(1) for table in (self._memory.cos, self._memory.sin))

        def rotate_and_write(layer: int, heads: Tensor) -> Tensor:
            _rotate(heads[:, : self._num_heads + num_kv_heads, : cos.shape[-1]], cos, sin)
            query, entries = torch.split(heads, [self._num_heads, 2 * num_kv_heads], dim=1)
            self._memory.write(layer, slots, entries)
            return query

        return rotate_and_write


def _rotate(part: Tensor, cos: Tensor, sin: Tensor) -> None:
    """Applies the rotary embedding to `part` in place. `part` (rows, heads, size) has only those dimensions of each
    head that the model rotates.

    The result is that of transformers' `apply_rotary_pos_emb`, which swaps the halves of `part` and negates one of
    them. This function only swaps the halves, because the first half of `sin` (rows, 1, size) is already negated.
    """
    swapped = part.roll(part.shape[-1] // 2, dims=-1)
    part.mul_(cos).addcmul_(swapped, sin)
