"""Samples the tokens of a step of fixed rows with one Triton kernel. It finds the top-p set without sorting."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from workers.ar.model.step_inputs import Inputs

# These constants fix the order of summation, so a change of them changes pictures.
_WARPS = 16  # a program samples one row: 16,384 codes in the full model

# The hash of `CounterNoise` in `noise.py`, here in unsigned integers.
_GOLDEN = tl.constexpr(0x9E3779B97F4A7C15)
_FIRST = tl.constexpr(0xBF58476D1CE4E5B9)
_SECOND = tl.constexpr(0x94D049BB133111EB)


class FusedSampling:
    """Samples one token for each row among the first `num_codes` of the vocabulary. It does not support top-k.

    The random numbers are those of `CounterNoise`. The token has the highest probability divided by its random number
    within the top-p set. A code is in this set if the likelier codes together have a probability below top-p. So the
    result is that of `TorchSampling`, except where rounding decides.
    """

    def __init__(self, num_codes: int) -> None:
        self._num_codes = num_codes

    def __call__(self, logits: Tensor, inputs: Inputs) -> Tensor:
        num_rows = len(logits)
        tokens = torch.empty(num_rows, device=logits.device, dtype=torch.int64)
        _sample[(num_rows,)](
            logits,
            inputs.seeds,
            inputs.steps,
            inputs.temperature,
            inputs.top_p,
            tokens,
            logits.stride(0),
            num_codes=self._num_codes,
            block=triton.next_power_of_2(self._num_codes),
            num_warps=_WARPS,
        )
        return tokens


@triton.jit
def _sample(  # type: ignore[no-untyped-def]  # noqa: PLR0917 - Triton reads annotations as its own
    logits,
    seeds,
    steps,
    temperature,
    top_p,
    tokens,
    stride,
    num_codes: tl.constexpr,
    block: tl.constexpr,
):
    """Samples the token of one row, or -1 if its logits are NaN or infinite."""
    row, code = tl.program_id(0), tl.arange(0, block)
    is_code = code < num_codes
    logit = tl.load(logits + row * stride + code, mask=is_code, other=0.0).to(tl.float32)
    is_number = tl.abs(tl.sum(logit, 0)) < float("inf")
    scaled = tl.where(is_code, logit / tl.load(temperature + row).to(tl.float32), float("-inf"))
    weight = tl.exp(scaled - tl.max(scaled, 0))
    probability = weight / tl.sum(weight, 0)
    is_kept = is_code & (probability >= _lowest_kept(probability, tl.load(top_p + row).to(tl.float32)))
    noise = _noise(tl.load(seeds + row), tl.load(steps + row), code)
    token = tl.argmax(tl.where(is_kept, probability / noise, -1.0), 0).to(tl.int64)
    tl.store(tokens + row, tl.where(is_number, token, -1))


@triton.jit
def _lowest_kept(probability, top_p):  # type: ignore[no-untyped-def]
    """Returns the lowest number for which all higher probabilities together are below `top_p`. It is found by
    bisection.

    Floats that are not negative have the order of their bits. So 31 halvings of the range of bits find the number
    itself. The highest probability is always kept. If all are kept, the result is 0: lower bits would be no number.
    """
    bits = probability.to(tl.int32, bitcast=True)
    kept = tl.max(bits, 0)
    too_low = kept * 0 - 1
    for _ in range(31):
        middle = too_low + (kept - too_low) // 2
        is_kept = tl.sum(tl.where(bits > middle, probability, 0.0), 0) < top_p
        too_low, kept = tl.where(is_kept, too_low, middle), tl.where(is_kept, middle, kept)
    return tl.maximum(kept, 0).to(tl.float32, bitcast=True)


@triton.jit
def _noise(seed, step, code):  # type: ignore[no-untyped-def]
    """Returns the exponentially distributed random number of each code, as `CounterNoise` computes it."""
    start = _mix(_mix(seed.to(tl.uint64)) + step.to(tl.uint64) * _GOLDEN)
    bits = _mix(start + code.to(tl.uint64) * _GOLDEN)
    uniform = (((bits >> 41) & 0x7FFFFF).to(tl.int32).to(tl.float32) + 0.5) * 1.1920928955078125e-07  # 2^-23
    return -tl.log(uniform)


@triton.jit
def _mix(bits):  # type: ignore[no-untyped-def]
    """Returns the finaliser of SplitMix64."""
    bits = (bits ^ (bits >> 30)) * _FIRST
    bits = (bits ^ (bits >> 27)) * _SECOND
    return bits ^ (bits >> 31)
