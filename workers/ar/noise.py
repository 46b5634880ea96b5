"""The random numbers that choose tokens: one stream per sequence. Nothing else decides a token."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from shared.ids import RenderId
from workers.ar.sequence import ArSequence


class Noise(Protocol):
    """A source of exponential variates, (rows, vision vocabulary), that depend on each row's seed and step alone."""

    def draw(self, sequences: Sequence[ArSequence]) -> Tensor: ...

    def forget(self, render_id: RenderId) -> None: ...


@dataclass(frozen=True, slots=True)
class _Stream:
    seed: int
    generator: torch.Generator


class GeneratorNoise:
    """torch's own generators on the CPU, so that a seed gives the reference's tokens.

    `torch.multinomial` draws one sample as argmax(p / q) with q exponential over the whole vocabulary (its source:
    fast path for one sample). `exponential_` is -log1p(-u) of a double u, one after the other; composed of `uniform_`
    and a vectorised logarithm the same bits take 0.1 ms a row instead of 0.3.
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
    """Counter-based: a hash of (seed, step, code), the same kernels for all rows and no state: a graph can replay it.

    SplitMix64's finaliser (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014) in int64, whose
    products wrap as unsigned ones do. Need not equal torch's generators.
    """

    def __init__(self, vocabulary_size: int, device: torch.device) -> None:
        self._codes = torch.arange(vocabulary_size, device=device, dtype=torch.int64)

    def variates(self, seeds: Tensor, steps: Tensor) -> Tensor:
        """`seeds` and `steps` are (rows, 1) int64; returns float32 (rows, vision vocabulary)."""
        bits = _mix(_mix(_mix(seeds) + steps * _GOLDEN) + self._codes * _GOLDEN)
        return exponential(bits)


def exponential(bits: Tensor) -> Tensor:
    """Exponential variates of random int64: float32, finite and above 0.

    Of 23 bits: with one more, adding a half would be rounded up to 1 at the end of the range, whose logarithm is 0.
    """
    uniform = ((bits >> 41 & 0x7FFFFF).float() + 0.5) * 2.0**-23
    return -uniform.log()


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


_GOLDEN, _FIRST, _SECOND = map(_signed, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def _shifted(bits: Tensor, by: int) -> Tensor:
    """A logical right shift; torch's is arithmetic on int64."""
    return (bits >> by) & ((1 << (64 - by)) - 1)


def _mix(bits: Tensor) -> Tensor:
    bits = (bits ^ _shifted(bits, 30)) * _FIRST
    bits = (bits ^ _shifted(bits, 27)) * _SECOND
    return bits ^ _shifted(bits, 31)
