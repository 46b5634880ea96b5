"""The attention of a decode step on a GPU, as Triton kernels. Each row attends only to the tokens of its own sequence
in the KV memory.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from workers.ar.model.attention import Attend
from workers.ar.model.kv_memory import KvMemory

# These constants fix the order of summation, so a change of them changes pictures.
BLOCK = 64  # tokens that a program reads at a time
NUM_LANES = 16  # programs that share a row and KV head; a 1024x1024 render has 15 blocks half-way through
_SMALLEST_DOT = 16  # the fewest rows that `tl.dot` takes; smaller groups of heads are padded


class SplitAttention:
    """Computes attention by flash decoding (Dao et al., 2023): 16 programs, called lanes, share the tokens of one row
    and KV head.

    The tokens are divided into blocks, and each lane computes every 16th block. A second kernel joins the results of
    the lanes. Blocks are counted from the sequence's own first token, and lanes are joined in a fixed order. So a row's
    result depends only on its own sequence. The launch does not depend on the lengths, so a CUDA graph can replay it.
    """

    def __init__(self, memory: KvMemory, num_rows: int, num_heads: int) -> None:
        self._memory = memory
        head_size = memory.entries.shape[-1]
        shape = (num_rows, num_heads, NUM_LANES)
        self._sums = torch.empty(*shape, head_size, device=memory.entries.device, dtype=torch.float32)
        self._peaks, self._weights = torch.empty(2, *shape, device=memory.entries.device, dtype=torch.float32)

    def over(self, starts: Tensor, lengths: Tensor) -> Attend:
        """Returns the attention function of one decode step, in which row k attends to `lengths[k]` tokens of the KV
        memory from token `starts[k]` on.

        `starts` and `lengths` are (rows,) int64 on the device.
        """

        def attend(layer: int, query: Tensor) -> Tensor:
            return self._attend(self._memory.entries[layer], query, starts, lengths)

        return attend

    def _attend(self, entries: Tensor, query: Tensor, starts: Tensor, lengths: Tensor) -> Tensor:
        num_rows, num_heads, head_size = query.shape
        num_kv_heads = entries.shape[1] // 2
        group = num_heads // num_kv_heads
        out = torch.empty(num_rows, num_heads, head_size, device=query.device, dtype=query.dtype)
        _attend_lane[(num_rows, num_kv_heads, NUM_LANES)](
            query,
            entries,
            starts,
            lengths,
            self._sums,
            self._peaks,
            self._weights,
            query.stride(0),
            head_size**-0.5,
            num_kv_heads=num_kv_heads,
            group=group,
            padded_group=max(_SMALLEST_DOT, triton.next_power_of_2(group)),
            head_size=head_size,
            num_lanes=NUM_LANES,
            block_size=BLOCK,
        )
        _join_lanes[(num_rows, num_heads)](
            self._sums, self._peaks, self._weights, out, num_heads=num_heads, head_size=head_size, num_lanes=NUM_LANES
        )
        return out


@triton.jit
def _attend_lane(  # type: ignore[no-untyped-def]  # noqa: PLR0917 - Triton reads annotations as its own
    query,
    entries,
    starts,
    lengths,
    sums,
    peaks,
    weights,
    query_stride,
    scale,
    num_kv_heads: tl.constexpr,
    group: tl.constexpr,
    padded_group: tl.constexpr,
    head_size: tl.constexpr,
    num_lanes: tl.constexpr,
    block_size: tl.constexpr,
):
    """Computes the attention of the query heads of one KV head over every `num_lanes`-th block of tokens. This is the
    work of one lane: the programs that share the tokens of a row are called lanes.

    Stores for each head the unnormalised sum of values, the sum of weights, and the highest score (peak).
    """
    row, kv_head, lane = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    start, length = tl.load(starts + row), tl.load(lengths + row)
    size, members, tokens = tl.arange(0, head_size), tl.arange(0, padded_group), tl.arange(0, block_size)
    heads, is_head = kv_head * group + members, members < group
    asked = tl.load(query + row * query_stride + heads[:, None] * head_size + size, mask=is_head[:, None], other=0.0)
    peak = tl.full((padded_group,), float("-inf"), tl.float32)
    weight = tl.zeros((padded_group,), tl.float32)
    total = tl.zeros((padded_group, head_size), tl.float32)
    for block in range(lane * block_size, length, num_lanes * block_size):
        token = block + tokens
        is_token = token < length
        place = (start + token)[:, None] * (2 * num_kv_heads * head_size) + kv_head * head_size + size
        keys = tl.load(entries + place, mask=is_token[:, None], other=0.0)
        values = tl.load(entries + place + num_kv_heads * head_size, mask=is_token[:, None], other=0.0)
        scores = tl.dot(asked, tl.trans(keys), input_precision="ieee") * scale
        scores = tl.where(is_token, scores, float("-inf"))
        new_peak = tl.maximum(peak, tl.max(scores, 1))
        fade = tl.exp(peak - new_peak)
        share = tl.exp(scores - new_peak[:, None])
        weight = weight * fade + tl.sum(share, 1)
        total = total * fade[:, None] + tl.dot(share.to(values.dtype), values, input_precision="ieee")
        peak = new_peak
    cell = (row * num_kv_heads * group + heads) * num_lanes + lane
    tl.store(peaks + cell, peak, mask=is_head)
    tl.store(weights + cell, weight, mask=is_head)
    tl.store(sums + cell[:, None] * head_size + size, total, mask=is_head[:, None])


@triton.jit
def _join_lanes(  # type: ignore[no-untyped-def]  # noqa: PLR0917 - as above
    sums,
    peaks,
    weights,
    out,
    num_heads: tl.constexpr,
    head_size: tl.constexpr,
    num_lanes: tl.constexpr,
):
    """Joins the partial results of one head into the head's attention result. Each partial result comes from one lane,
    a program that has computed a part of the tokens.

    A lane without tokens has the peak (highest score) -inf, so it adds nothing.
    """
    head = tl.program_id(0) * num_heads + tl.program_id(1)
    size, cells = tl.arange(0, head_size), head * num_lanes + tl.arange(0, num_lanes)
    peak = tl.load(peaks + cells)
    share = tl.exp(peak - tl.max(peak, 0))
    weight = tl.sum(share * tl.load(weights + cells), 0)
    total = tl.sum(share[:, None] * tl.load(sums + cells[:, None] * head_size + size), 0)
    tl.store(out + head * head_size + size, (total / weight).to(out.dtype.element_ty))
