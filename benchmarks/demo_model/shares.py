"""Shares of pictures that are right, with intervals, and pairs of them. Reads no pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import binomtest


@dataclass(frozen=True, slots=True)
class Share:
    """`low` and `high` are Wilson's 95 % interval."""

    share: float
    low: float
    high: float
    number: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sides over the same prompts and seeds. `p` is of McNemar's exact test."""

    gain: float  # share of the second side less that of the first
    only_first: int
    only_second: int
    p: float


def share_of(right: Sequence[bool]) -> Share:
    """Raises `ValueError` where there is nothing to count."""
    if not right:
        raise ValueError("no picture was judged")
    interval = binomtest(sum(right), len(right)).proportion_ci(0.95, method="wilson")
    return Share(sum(right) / len(right), float(interval.low), float(interval.high), len(right))


def pair_of(first: Sequence[bool], second: Sequence[bool]) -> Pair:
    """Raises `ValueError` where the sides are not of one length, or empty."""
    if len(first) != len(second) or not first:
        raise ValueError(f"{len(first)} and {len(second)} pictures make no pairs")
    only_first = sum(one and not other for one, other in zip(first, second, strict=True))
    only_second = sum(other and not one for one, other in zip(first, second, strict=True))
    apart = only_first + only_second
    p = float(binomtest(only_second, apart).pvalue) if apart else 1.0
    return Pair((only_second - only_first) / len(first), only_first, only_second, p)
