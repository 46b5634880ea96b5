"""The operations of a decoder layer between its matrix products and its attention, as Triton kernels. Each kernel is
one launch where torch needs several, so a decode step waits less for launches and for memory.

The kernels round to the model's number type wherever transformers' modules do.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

from workers.ar.model.kv_memory import KvMemory
from workers.ar.model.layer_ops import RotateAndWrite
from workers.device.fp8_linear import FP8, LEAST, MAX_FP8, Fp8Linear

# These constants fix the order of summation, so a change of them changes pictures.
_NORM_WARPS = 8  # a program sums one row, which has 4096 values in the full model
_SILU_BLOCK = 1024  # values that a program computes

_LEAST, _MAX_FP8 = tl.constexpr(LEAST), tl.constexpr(MAX_FP8)


class FusedOps:
    """Computes the operations of a layer with Triton kernels. Every program computes values of one row only."""

    def __init__(self, memory: KvMemory, num_heads: int, eps: float) -> None:
        self._memory = memory
        self._num_heads = num_heads
        self._eps = eps

    def norm(self, hidden: Tensor, weight: Tensor) -> Tensor:
        num_rows, size = hidden.shape
        normed = torch.empty_like(hidden)
        _norm[(num_rows,)](
            hidden, weight, normed, self._eps, size=size, block=triton.next_power_of_2(size), num_warps=_NORM_WARPS
        )
        return normed

    def add_norm(self, hidden: Tensor, update: Tensor, update_weight: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        num_rows, size = hidden.shape
        total, normed = torch.empty_like(hidden), torch.empty_like(hidden)
        _add_norm[(num_rows,)](
            hidden,
            update,
            update_weight,
            weight,
            total,
            normed,
            self._eps,
            size=size,
            block=triton.next_power_of_2(size),
            num_warps=_NORM_WARPS,
        )
        return total, normed

    def silu_mul(self, gate_up: Tensor) -> Tensor:
        num_rows, size = gate_up.shape[0], gate_up.shape[1] // 2
        out = torch.empty(num_rows, size, device=gate_up.device, dtype=gate_up.dtype)
        _silu_mul[(num_rows, triton.cdiv(size, _SILU_BLOCK))](gate_up, out, size=size, block=_SILU_BLOCK)
        return out

    def product(self, linear: nn.Module, rows: Tensor) -> Tensor:
        if isinstance(linear, Fp8Linear):
            return linear.product(*self.to_fp8(rows), rows.dtype)
        out: Tensor = linear(rows)
        return out

    def to_fp8(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Returns `rows` (rows, size) in FP8, and the scale of each row (rows, 1): `workers.device.fp8_linear.to_fp8`
        in one launch.
        """
        num_rows, size = rows.shape
        converted = torch.empty(num_rows, size, device=rows.device, dtype=FP8)
        scales = torch.empty(num_rows, 1, device=rows.device, dtype=torch.float32)
        _to_fp8[(num_rows,)](
            rows, converted, scales, size=size, block=triton.next_power_of_2(size), num_warps=_NORM_WARPS
        )
        return converted, scales

    def at(self, slots: Tensor) -> RotateAndWrite:
        def rotate_and_write(layer: int, heads: Tensor) -> Tensor:
            return self._rotate_and_write(self._memory.entries[layer], heads, slots)

        return rotate_and_write

    def _rotate_and_write(self, entries: Tensor, heads: Tensor, slots: Tensor) -> Tensor:
        num_rows, num_all_heads, head_size = heads.shape
        query = torch.empty(num_rows, self._num_heads, head_size, device=heads.device, dtype=heads.dtype)
        _rotate_and_write[(num_rows, num_all_heads)](
            heads,
            slots,
            self._memory.cos,
            self._memory.sin,
            query,
            entries,
            num_heads=self._num_heads,
            num_kv_heads=entries.shape[1] // 2,
            head_size=head_size,
            rotated_size=self._memory.cos.shape[1],
            num_warps=1,
        )
        return query


@triton.jit
def _normed(values, weight, size: tl.constexpr, eps, dtype: tl.constexpr):  # type: ignore[no-untyped-def]
    """Returns the RMS norm of float32 `values`, multiplied by `weight` and rounded to `dtype`. Values outside the row
    are 0.
    """
    scale = tl.rsqrt(tl.sum(values * values, 0) / size + eps)
    return ((values * scale).to(dtype).to(tl.float32) * weight.to(tl.float32)).to(dtype)


@triton.jit
def _norm(  # type: ignore[no-untyped-def]  # noqa: PLR0917 - Triton reads annotations as its own
    hidden, weight, normed, eps, size: tl.constexpr, block: tl.constexpr
):
    """Computes the norm of one row."""
    column = tl.arange(0, block)
    is_in, place = column < size, tl.program_id(0) * size + column
    values = tl.load(hidden + place, mask=is_in, other=0.0).to(tl.float32)
    weights = tl.load(weight + column, mask=is_in, other=0.0)
    tl.store(normed + place, _normed(values, weights, size, eps, normed.dtype.element_ty), mask=is_in)


@triton.jit
def _add_norm(  # type: ignore[no-untyped-def]  # noqa: PLR0917 - as above
    hidden,
    update,
    update_weight,
    weight,
    total,
    normed,
    eps,
    size: tl.constexpr,
    block: tl.constexpr,
):
    """Adds the norm of one row's update to the row, and computes the norm of the sum."""
    dtype = total.dtype.element_ty
    column = tl.arange(0, block)
    is_in, place = column < size, tl.program_id(0) * size + column
    updates = tl.load(update + place, mask=is_in, other=0.0).to(tl.float32)
    update_weights = tl.load(update_weight + column, mask=is_in, other=0.0)
    before = tl.load(hidden + place, mask=is_in, other=0.0).to(tl.float32)
    added = _normed(updates, update_weights, size, eps, dtype).to(tl.float32)
    after = (before + added).to(dtype)
    tl.store(total + place, after, mask=is_in)
    weights = tl.load(weight + column, mask=is_in, other=0.0)
    tl.store(normed + place, _normed(after.to(tl.float32), weights, size, eps, dtype), mask=is_in)


@triton.jit
def _silu_mul(gate_up, out, size: tl.constexpr, block: tl.constexpr):  # type: ignore[no-untyped-def]
    """Computes SiLU(gate) x up for a block of one row."""
    row, column = tl.program_id(0), tl.program_id(1) * block + tl.arange(0, block)
    is_in = column < size
    dtype = out.dtype.element_ty
    source = gate_up + row * 2 * size + column
    gate = tl.load(source, mask=is_in, other=0.0).to(tl.float32)
    up = tl.load(source + size, mask=is_in, other=0.0).to(tl.float32)
    activated = (gate / (1.0 + tl.exp(-gate))).to(dtype).to(tl.float32)
    tl.store(out + row * size + column, (up * activated).to(dtype), mask=is_in)


@triton.jit
def _to_fp8(rows, converted, scales, size: tl.constexpr, block: tl.constexpr):  # type: ignore[no-untyped-def]
    """Converts one row to FP8 and stores its scale. The largest number of the row becomes the largest one of FP8."""
    row, column = tl.program_id(0), tl.arange(0, block)
    is_in, place = column < size, row * size + column
    values = tl.load(rows + place, mask=is_in, other=0.0).to(tl.float32)
    largest = tl.maximum(tl.max(tl.abs(values), 0), _LEAST)
    # Exact divisions, as torch's: a number that is rounded otherwise may be another one in FP8.
    factor = tl.div_rn(_MAX_FP8, largest)
    tl.store(converted + place, (values * factor).to(converted.dtype.element_ty), mask=is_in)
    tl.store(scales + row, largest * (1.0 / _MAX_FP8))


@triton.jit
def _rotate_and_write(  # type: ignore[no-untyped-def]  # noqa: PLR0917 - as above
    heads,
    slots,
    cos,
    sin,
    query,
    entries,
    num_heads: tl.constexpr,
    num_kv_heads: tl.constexpr,
    head_size: tl.constexpr,
    rotated_size: tl.constexpr,
):
    """Takes up one head of one row. A query is rotated and stored in `query`. A key is rotated and a value is not, and
    both are stored in the KV memory.

    The first half of `sin` is already negated, so rotating only swaps the halves of the rotated part.
    """
    row, head = tl.program_id(0), tl.program_id(1)
    slot = tl.load(slots + row)
    dtype = query.dtype.element_ty
    half: tl.constexpr = rotated_size // 2
    column = tl.arange(0, head_size)
    is_rotated = (column < rotated_size) & (head < num_heads + num_kv_heads)
    source = heads + (row * (num_heads + 2 * num_kv_heads) + head) * head_size
    value = tl.load(source + column)
    swapped = tl.load(source + tl.where(column < half, column + half, column - half), mask=is_rotated, other=0.0)
    angle = slot * rotated_size + column
    cosine = tl.load(cos + angle, mask=is_rotated, other=1.0).to(tl.float32)
    sine = tl.load(sin + angle, mask=is_rotated, other=0.0).to(tl.float32)
    scaled = (value.to(tl.float32) * cosine).to(dtype).to(tl.float32)
    rotated = (scaled + swapped.to(tl.float32) * sine).to(dtype)
    if head < num_heads:
        tl.store(query + (row * num_heads + head) * head_size + column, rotated)
    else:
        place = slot * (2 * num_kv_heads * head_size) + (head - num_heads) * head_size
        tl.store(entries + place + column, rotated)
