"""Mends Triton's interpreter for bfloat16 and FP8, which it stores as integers. It cuts digits of bfloat16 off instead
of rounding, rounds some numbers of FP8 wrongly, and multiplies the raw bits of matrices.
"""

from typing import Any

import numpy as np
import torch
import triton.language as tl
from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

# The types that are stored as integers: torch's name of each, and of the integers.
_ROUNDED = {tl.bfloat16: (torch.bfloat16, torch.uint16), tl.float8e4nv: (torch.float8_e4m3fn, torch.uint8)}


def mend() -> None:
    """Makes casts to bfloat16 and FP8 round to the nearest even number, and products compute with numbers."""
    cast, dot = InterpreterBuilder.cast_impl, InterpreterBuilder.create_dot
    convert = InterpreterBuilder.create_fp_to_fp

    def cast_impl(builder: Any, source: Any, target: Any) -> Any:
        if source.dtype.scalar != tl.float32 or target.scalar not in _ROUNDED:
            return cast(builder, source, target)
        dtype, integers = _ROUNDED[target.scalar]
        rounded = torch.tensor(np.atleast_1d(source.data)).to(dtype).view(integers)
        return TensorHandle(rounded.numpy().reshape(np.shape(source.data)), target.scalar)

    def create_dot(builder: Any, a: Any, b: Any, *rest: Any) -> Any:
        numbers = (builder.cast_impl(each, tl.float32) if each.dtype.scalar == tl.bfloat16 else each for each in (a, b))
        return dot(builder, *numbers, *rest)

    def create_fp_to_fp(builder: Any, source: Any, target: Any, mode: Any) -> Any:
        is_ours = source.dtype.scalar == tl.float32 and target.scalar in _ROUNDED
        return cast_impl(builder, source, target) if is_ours else convert(builder, source, target, mode)

    InterpreterBuilder.cast_impl, InterpreterBuilder.create_dot = cast_impl, create_dot
    InterpreterBuilder.create_fp_to_fp = create_fp_to_fp
