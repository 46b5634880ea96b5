"""Copies tensors to pinned host memory (memory that a GPU can read directly) and wastes little of it.

torch rounds each block of pinned memory up to a power of two. With one block for each weight, the AR model of 20.2 GB
took 26.4 GB. So many tensors share each block here, and blocks have a size that is a power of two anyway.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_BLOCK_BYTES = 2**31  # larger than the largest weight, the 1.4 GB of AR's token embeddings
_ALIGNMENT = 256  # as torch's own allocators


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of tensors in blocks of memory: tensor k begins at byte `offsets[k]` of block `blocks[k]`.

    `block_bytes` has the size of each block, which is a power of two.
    """

    blocks: Sequence[int]
    offsets: Sequence[int]
    block_bytes: Sequence[int]


def layout(sizes: Sequence[int], block_bytes: int = _BLOCK_BYTES) -> Layout:
    """Returns the places of tensors with these sizes in bytes, the largest tensor first, each in the first block with
    room for it.

    A tensor that is larger than `block_bytes` has a block of its own.
    """
    used = list[int]()
    places = dict[int, tuple[int, int]]()
    for index in sorted(range(len(sizes)), key=lambda index: -sizes[index]):
        size = -(-sizes[index] // _ALIGNMENT) * _ALIGNMENT
        block = next((number for number, full in enumerate(used) if full + size <= block_bytes), len(used))
        if block == len(used):
            used.append(0)
        places[index] = block, used[block]
        used[block] += size
    ordered = [places[index] for index in range(len(sizes))]
    return Layout([block for block, _ in ordered], [offset for _, offset in ordered], [_power_of_two(n) for n in used])


def pinned_copies(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """Returns a copy of each tensor in pinned host memory. Without a GPU the copies are in ordinary host memory."""
    plan = layout([tensor.numel() * tensor.element_size() for tensor in tensors])
    can_pin = torch.cuda.is_available()
    blocks = [torch.empty(size, dtype=torch.uint8, pin_memory=can_pin) for size in plan.block_bytes]
    return [
        _copy(tensor, blocks[block][offset:])
        for tensor, block, offset in zip(tensors, plan.blocks, plan.offsets, strict=True)
    ]


def _copy(tensor: Tensor, memory: Tensor) -> Tensor:
    """Copies a tensor to the beginning of `memory`, which is (bytes,) uint8. Keeps the order of dimensions in memory,
    such as channels last.
    """
    strides = torch.empty_like(tensor, device="meta").stride()
    typed = memory[: tensor.numel() * tensor.element_size()].view(tensor.dtype)
    return typed.as_strided(tensor.shape, strides, typed.storage_offset()).copy_(tensor.detach())


def _power_of_two(num_bytes: int) -> int:
    return 1 << max(0, num_bytes - 1).bit_length()
