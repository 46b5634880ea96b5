"""Hands out extents of KV memory. Knows nothing of tensors; a token of KV is a number here."""

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Extent:
    """Tokens `start .. start + length - 1` of the KV memory."""

    start: int
    length: int

    @property
    def end(self) -> int:
        return self.start + self.length

    def overlaps(self, other: "Extent") -> bool:
        return self.start < other.end and other.start < self.end


class KvBook:
    """First fit over one range of tokens; neighbours that come free grow together again.

    An extent is as long as its sequence will ever be, since the number of decode steps is known from the size.
    """

    def __init__(self, num_tokens: int) -> None:
        self.num_tokens = num_tokens
        self._free = [Extent(0, num_tokens)] if num_tokens else []
        self._booked: set[Extent] = set()

    @property
    def num_free(self) -> int:
        return sum(extent.length for extent in self._free)

    def book(self, num_tokens: int, avoid: Extent | None = None) -> Extent | None:
        """Books a free extent of this length that shares no token with `avoid`. Returns None if there is none."""
        assert num_tokens > 0
        for position, hole in enumerate(self._free):
            extent = _placed(hole, num_tokens, avoid)
            if extent:
                rest = [Extent(hole.start, extent.start - hole.start), Extent(extent.end, hole.end - extent.end)]
                self._free[position : position + 1] = [part for part in rest if part.length]
                self._booked.add(extent)
                return extent
        return None

    def soonest(self, num_tokens: int, steps_left: Callable[[Extent], int]) -> tuple[int, Extent]:
        """Returns in how many steps a range of this length can be free at the earliest, and the range.

        `steps_left` says for a booked extent when it is released. A range that starts inside an extent is no better
        than one that starts with it, so only the starts of extents are tried.
        """
        left = {extent: steps_left(extent) for extent in self._booked}
        starts = [extent.start for extent in (*self._free, *self._booked)]
        ranges = [Extent(start, num_tokens) for start in starts if start + num_tokens <= self.num_tokens]
        return min((max((left[each] for each in left if each.overlaps(kept)), default=0), kept) for kept in ranges)

    def release(self, extent: Extent) -> None:
        """Gives an extent back. Raises `KeyError` for one that is not booked."""
        self._booked.remove(extent)
        insort(self._free, extent)
        position = self._free.index(extent)
        self._merge(position)
        if position:
            self._merge(position - 1)

    def check_integrity(self) -> None:
        """Raises `AssertionError` unless booked and free extents tile the range exactly, with no two holes touching."""
        position = 0
        for extent in sorted([*self._free, *self._booked]):
            assert extent.start == position, f"gap or overlap at token {position}"
            position = extent.end
        assert position == self.num_tokens, f"{position} of {self.num_tokens} tokens are accounted for"
        assert all(left.end < right.start for left, right in zip(self._free, self._free[1:], strict=False))

    def _merge(self, position: int) -> None:
        """Joins the hole at `position` with the next one when they touch."""
        hole, *following = self._free[position : position + 2]
        if following and following[0].start == hole.end:
            self._free[position : position + 2] = [Extent(hole.start, hole.length + following[0].length)]


def _placed(hole: Extent, num_tokens: int, avoid: Extent | None) -> Extent | None:
    """Returns the first extent of this length in a hole that leaves out `avoid`."""
    starts = [hole.start] if avoid is None else [hole.start, max(hole.start, avoid.end)]
    extents = [Extent(start, num_tokens) for start in starts if start + num_tokens <= hole.end]
    return next((extent for extent in extents if avoid is None or not extent.overlaps(avoid)), None)
