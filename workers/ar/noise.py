"""Computes the random numbers for sampling tokens. Sampling uses no other randomness."""

from typing import Protocol

import torch
from torch import Tensor


class Noise(Protocol):
    """Computes random numbers for sampling tokens. The numbers of a row depend only on its seed and step."""

    def variates(self, seeds: Tensor, steps: Tensor) -> Tensor:
        """Returns exponentially distributed random numbers: float32 (rows, codes), one for each code or more.

        `seeds` and `steps` are (rows,) int64.
        """
        ...


class CounterNoise:
    """Computes random numbers for sampling tokens as a hash of (seed, step, code). It has no state, so a CUDA graph can
    replay the computation, and a render that starts again draws the same numbers.

    The hash is the finaliser of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
    2014). It is computed in int64, where overflow gives the same bits as in unsigned integers. All rows use the same
    kernels. The numbers differ from those of torch's generators.
    """

    def __init__(self, num_codes: int, device: torch.device) -> None:
        self._codes = torch.arange(num_codes, device=device, dtype=torch.int64) * _GOLDEN
        self._is_cpu = device.type == "cpu"

    def variates(self, seeds: Tensor, steps: Tensor) -> Tensor:
        starts = _mixed(_mixed(seeds) + steps * _GOLDEN).unsqueeze(1)
        # On a CPU the numbers of one row fit into the cache of a core, and those of all rows do not.
        parts = torch.split(starts, 1) if self._is_cpu else [starts]
        noise = [exponential(_mixed(part + self._codes)) for part in parts]
        return torch.cat(noise) if len(noise) > 1 else noise[0]


def exponential(bits: Tensor) -> Tensor:
    """Converts random int64 values into exponentially distributed numbers: float32, finite and above 0. It overwrites
    `bits`.

    Only 23 bits of each value are used. With 24 bits the largest uniform number would round up to 1. Its logarithm is
    0, but the result must be above 0.
    """
    uniform = bits.bitwise_right_shift_(41).bitwise_and_(0x7FFFFF).float()
    return uniform.add_(0.5).mul_(2.0**-23).log_().neg_()


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


_GOLDEN, _FIRST, _SECOND = map(_signed, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def _shifted(bits: Tensor, by: int) -> Tensor:
    """Shifts int64 values right and fills with zeros. torch's own right shift of int64 repeats the sign bit instead."""
    return (bits >> by).bitwise_and_((1 << (64 - by)) - 1)


def _mixed(bits: Tensor) -> Tensor:
    bits = (bits ^ _shifted(bits, 30)).mul_(_FIRST)
    bits = bits.bitwise_xor_(_shifted(bits, 27)).mul_(_SECOND)
    return bits.bitwise_xor_(_shifted(bits, 31))
