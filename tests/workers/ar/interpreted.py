"""`python -m tests.workers.ar.interpreted HEADS KV_HEADS HEAD_SIZE DTYPE`: exits with 0 when the kernels are right."""

import sys

import torch

from workers.ar.model.attention import RowAttention
from workers.ar.model.kv_memory import KvMemory
from workers.ar.model.split_attention import BLOCK, NUM_LANES, SplitAttention

# One token, around a block's end, and more blocks than lanes; the extents do not touch.
LENGTHS = (1, BLOCK, BLOCK + 1, (NUM_LANES + 2) * BLOCK + 3)
TOLERANCE = {torch.float32: 5e-6, torch.float16: 5e-3}


def check(heads: int, kv_heads: int, head_size: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    lengths = torch.tensor(LENGTHS)
    starts = lengths.cumsum(0) - lengths + 7
    memory = KvMemory(
        num_layers=2,
        num_kv_heads=kv_heads,
        head_size=head_size,
        rotated_size=8,
        num_tokens=int(lengths.sum()) + 14,
        device=torch.device("cpu"),
        dtype=dtype,
    )
    memory.entries.normal_()
    # As the decoder's: a part of a wider row.
    query = torch.randn(len(LENGTHS), heads + 2 * kv_heads, head_size, dtype=dtype)[:, :heads]
    split = SplitAttention(memory, len(LENGTHS), heads).over(starts, lengths)(1, query)
    rows = RowAttention(memory).over(starts, lengths)(1, query.contiguous()).reshape(split.shape)
    torch.testing.assert_close(split, rows, rtol=0, atol=TOLERANCE[dtype])

    # The third row again: last instead of third, elsewhere in memory, beside memory that holds no numbers.
    length, third = LENGTHS[2], memory.entries[:, starts[2] : starts[2] + LENGTHS[2]].clone()
    memory.entries.fill_(float("nan"))
    memory.entries[:, 3 : 3 + length] = third
    moved = SplitAttention(memory, 2, heads).over(torch.tensor([3, 3]), torch.tensor([1, length]))(1, query[1:3])
    assert moved[1].equal(split[2]), "a row's result depends on where it lies"


if __name__ == "__main__":
    check(*map(int, sys.argv[1:4]), getattr(torch, sys.argv[4]))
