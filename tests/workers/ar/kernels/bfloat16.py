"""Mends Triton's interpreter for bfloat16, which it stores as uint16: it cuts digits off instead of rounding, and
multiplies the raw bits of matrices.
"""

from typing import Any

import numpy as np
import torch
import triton.language as tl
from triton.runtime.interpreter import InterpreterBuilder, TensorHandle


def mend() -> None:
    """Makes casts to bfloat16 round to the nearest even number, and products of matrices compute with numbers."""
    cast, dot = InterpreterBuilder.cast_impl, InterpreterBuilder.create_dot

    def cast_impl(builder: Any, source: Any, target: Any) -> Any:
        if (source.dtype.scalar, target.scalar) != (tl.float32, tl.bfloat16):
            return cast(builder, source, target)
        rounded = torch.tensor(np.atleast_1d(source.data)).to(torch.bfloat16).view(torch.uint16)
        return TensorHandle(rounded.numpy().reshape(np.shape(source.data)), tl.bfloat16)

    def create_dot(builder: Any, a: Any, b: Any, *rest: Any) -> Any:
        numbers = (builder.cast_impl(each, tl.float32) if each.dtype.scalar == tl.bfloat16 else each for each in (a, b))
        return dot(builder, *numbers, *rest)

    InterpreterBuilder.cast_impl, InterpreterBuilder.create_dot = cast_impl, create_dot
