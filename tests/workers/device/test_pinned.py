"""Pinned copies of weights: what they hold, and how much memory the rounding to powers of two costs."""

from itertools import pairwise

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.device.pinned import layout, pinned_copies

# The weights of GLM-Image's AR model in bfloat16: 40 layers, embeddings of text, and the output layer.
LAYER = [4096 * 4608, 4096 * 4096, 4096 * 27_392, 4096 * 13_696, *[4096] * 4]
AR_SIZES = [2 * numel for numel in [168_064 * 4096, 16_512 * 4096, *40 * LAYER]]


def rounded(size: int) -> int:
    return 1 << (size - 1).bit_length()


def test_the_ar_model_takes_hardly_more_than_its_size() -> None:
    assert sum(map(rounded, AR_SIZES)) > 1.25 * sum(AR_SIZES), "one block for each weight wastes a quarter"
    blocks = layout(AR_SIZES).block_bytes
    assert list(map(rounded, blocks)) == list(blocks)
    assert sum(blocks) < 1.06 * sum(AR_SIZES)


@settings(deadline=None)
@given(sizes=st.lists(st.integers(0, 5_000), max_size=30), block_bytes=st.sampled_from([1024, 4096]))
def test_tensors_lie_inside_their_block_and_do_not_overlap(sizes: list[int], block_bytes: int) -> None:
    plan = layout(sizes, block_bytes)
    spans = sorted(zip(plan.blocks, plan.offsets, sizes, strict=True))
    assert all(offset + size <= plan.block_bytes[block] for block, offset, size in spans)
    for (block, offset, size), (next_block, next_offset, _) in pairwise(spans):
        assert block != next_block or offset + size <= next_offset


def test_copies_equal_their_tensors_in_every_type_and_order_of_dimensions() -> None:
    image = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    tensors = [torch.randn(7, 3), torch.tensor(3), torch.randn(5).to(torch.bfloat16), image, torch.empty(0, 4)]
    copies = pinned_copies(tensors)
    assert all(torch.equal(copy, tensor) for copy, tensor in zip(copies, tensors, strict=True))
    assert [copy.dtype for copy in copies] == [tensor.dtype for tensor in tensors]
    assert copies[3].is_contiguous(memory_format=torch.channels_last)
