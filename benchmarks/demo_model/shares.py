"""Computes shares of right pictures with their intervals, and compares two settings in pairs. Reads no pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import binomtest


@dataclass(frozen=True, slots=True)
class Share:
    """A share of right pictures. `low` and `high` are the bounds of Wilson's 95 % interval."""

    share: float
    low: float
    high: float
    number: int


@dataclass(frozen=True, slots=True)
class Pair:
    """A comparison of two settings over the same prompts and seeds. `p` is from McNemar's exact test."""

    gain: float  # share of the second side less that of the first
    only_first: int
    only_second: int
    p: float


def share_of(right: Sequence[bool]) -> Share:
    """Returns the share of right pictures. Raises `ValueError` if there are no pictures."""
    if not right:
        raise ValueError("no picture was judged")
    interval = binomtest(sum(right), len(right)).proportion_ci(0.95, method="wilson")
    return Share(sum(right) / len(right), float(interval.low), float(interval.high), len(right))


def pair_of(first: Sequence[bool], second: Sequence[bool]) -> Pair:
    """Returns the comparison of two settings. Raises `ValueError` if they have different lengths or no pictures."""
    if len(first) != len(second) or not first:
        raise ValueError(f"{len(first)} and {len(second)} pictures make no pairs")
    only_first = sum(one and not other for one, other in zip(first, second, strict=True))
    only_second = sum(other and not one for one, other in zip(first, second, strict=True))
    apart = only_first + only_second
    p = float(binomtest(only_second, apart).pvalue) if apart else 1.0
    return Pair((only_second - only_first) / len(first), only_first, only_second, p)
