"""Draws the random numbers for sampling tokens, one stream for each sequence. Sampling uses no other randomness."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from shared.ids import RenderId
from workers.ar.sequence import ArSequence


class Noise(Protocol):
    """Draws random numbers for sampling tokens: exponentially distributed, with shape (rows, vision vocabulary).

    The numbers of a row depend only on its sequence's seed and step.
    """

    def draw(self, sequences: Sequence[ArSequence]) -> Tensor: ...

    def forget(self, render_id: RenderId) -> None: ...


@dataclass(frozen=True, slots=True)
class _Stream:
    seed: int
    generator: torch.Generator


class GeneratorNoise:
    """Draws random numbers for sampling from torch's own CPU generators. So a seed gives the same tokens as the
    reference pipeline.

    `torch.multinomial` draws one sample as argmax(p / q), where q is exponentially distributed over the whole
    vocabulary (see the fast path for one sample in its source). torch's `exponential_` computes q = -log1p(-u) from a
    uniform double u, one value after the other. Here `uniform_` and a vectorised logarithm give the same bits in 0.1 ms
    for each row instead of 0.3 ms.
    """

    def __init__(self, vocabulary_size: int) -> None:
        self._vocabulary_size = vocabulary_size
        self._streams: dict[RenderId, _Stream] = {}

    def draw(self, sequences: Sequence[ArSequence]) -> Tensor:
        uniform = torch.empty(len(sequences), self._vocabulary_size, dtype=torch.float64)
        for row, sequence in zip(uniform, sequences, strict=True):
            row.uniform_(generator=self._generator(sequence))
        return uniform.neg_().log1p_().neg_().float()

    def forget(self, render_id: RenderId) -> None:
        self._streams.pop(render_id, None)

    def _generator(self, sequence: ArSequence) -> torch.Generator:
        stream = self._streams.get(sequence.render_id)
        if stream is None or stream.seed != sequence.stream_seed:
            stream = _Stream(sequence.stream_seed, torch.Generator().manual_seed(sequence.stream_seed))
            self._streams[sequence.render_id] = stream
        return stream.generator


class CounterNoise:
    """Computes random numbers for sampling tokens as a hash of (seed, step, code). It has no state, so a CUDA graph can
    replay the computation.

    The hash is the finaliser of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
    2014). It is computed in int64, where overflow gives the same bits as in unsigned integers. All rows use the same
    kernels. The numbers differ from those of torch's generators.
    """

    def __init__(self, vocabulary_size: int, device: torch.device) -> None:
        self._codes = torch.arange(vocabulary_size, device=device, dtype=torch.int64)

    def variates(self, seeds: Tensor, steps: Tensor) -> Tensor:
        """Returns exponentially distributed random numbers, float32 (rows, vision vocabulary).

        `seeds` and `steps` are (rows, 1) int64.
        """
        bits = _mix(_mix(_mix(seeds) + steps * _GOLDEN) + self._codes * _GOLDEN)
        return exponential(bits)


def exponential(bits: Tensor) -> Tensor:
    """Converts random int64 values into exponentially distributed numbers: float32, finite and above 0.

    Only 23 bits of each value are used. With 24 bits the largest uniform number would round up to 1. Its logarithm is
    0, but the result must be above 0.
    """
    uniform = ((bits >> 41 & 0x7FFFFF).float() + 0.5) * 2.0**-23
    return -uniform.log()


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


_GOLDEN, _FIRST, _SECOND = map(_signed, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def _shifted(bits: Tensor, by: int) -> Tensor:
    """Shifts int64 values right and fills with zeros. torch's own right shift of int64 repeats the sign bit instead."""
    return (bits >> by) & ((1 << (64 - by)) - 1)


def _mix(bits: Tensor) -> Tensor:
    bits = (bits ^ _shifted(bits, 30)) * _FIRST
    bits = (bits ^ _shifted(bits, 27)) * _SECOND
    return bits ^ _shifted(bits, 31)
