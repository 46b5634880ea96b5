"""Allocates ranges of the KV memory to sequences. The allocator counts KV memory in tokens and holds no tensors."""

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Extent:
    """A contiguous range of the KV memory: the tokens `start .. start + length - 1`."""

    start: int
    length: int

    @property
    def end(self) -> int:
        return self.start + self.length

    def overlaps(self, other: "Extent") -> bool:
        return self.start < other.end and other.start < self.end


class KvAllocator:
    """A first-fit allocator of KV memory. It allocates extents (contiguous ranges of tokens) and merges adjacent free
    extents.

    A sequence gets an extent for its final length at once, because the picture's size fixes the number of decode steps.
    """

    def __init__(self, num_tokens: int) -> None:
        self.num_tokens = num_tokens
        self._free = [Extent(0, num_tokens)] if num_tokens else []
        self._booked: set[Extent] = set()

    @property
    def num_free(self) -> int:
        return sum(extent.length for extent in self._free)

    def book(self, num_tokens: int, avoid: Extent | None = None) -> Extent | None:
        """Allocates and returns the first free range of `num_tokens` tokens that does not overlap the range `avoid`.

        Returns None if there is no such range.
        """
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
        """Finds the range of `num_tokens` tokens that can be free earliest. Returns the number of steps until then, and
        the range.

        `steps_left` returns the number of steps until an allocated extent (a range of KV memory) is released. The
        search tries only ranges that begin where a free or an allocated extent begins, because a range that begins
        further inside an extent can't be free earlier.
        """
        left = {extent: steps_left(extent) for extent in self._booked}
        starts = [extent.start for extent in (*self._free, *self._booked)]
        ranges = [Extent(start, num_tokens) for start in starts if start + num_tokens <= self.num_tokens]
        return min((max((left[each] for each in left if each.overlaps(span)), default=0), span) for span in ranges)

    def release(self, extent: Extent) -> None:
        """Frees an allocated extent (a range of KV memory). Raises `KeyError` if the extent is not allocated."""
        self._booked.remove(extent)
        insort(self._free, extent)
        position = self._free.index(extent)
        self._merge(position)
        if position:
            self._merge(position - 1)

    def check_integrity(self) -> None:
        """Checks that allocated and free extents (ranges of KV memory) cover the whole memory without gap or overlap,
        and that no two free extents are adjacent. Raises `AssertionError` otherwise.
        """
        position = 0
        for extent in sorted([*self._free, *self._booked]):
            assert extent.start == position, f"gap or overlap at token {position}"
            position = extent.end
        assert position == self.num_tokens, f"{position} of {self.num_tokens} tokens are accounted for"
        assert all(left.end < right.start for left, right in zip(self._free, self._free[1:], strict=False))

    def _merge(self, position: int) -> None:
        """Joins the free extent (a free range of KV memory) at index `position` with the next free extent if the two
        are adjacent.
        """
        hole, *following = self._free[position : position + 2]
        if following and following[0].start == hole.end:
            self._free[position : position + 2] = [Extent(hole.start, hole.length + following[0].length)]


def _placed(hole: Extent, num_tokens: int, avoid: Extent | None) -> Extent | None:
    """Returns the first range of `num_tokens` tokens inside the free extent `hole` that does not overlap `avoid`, or
    None.
    """
    starts = [hole.start] if avoid is None else [hole.start, max(hole.start, avoid.end)]
    extents = [Extent(start, num_tokens) for start in starts if start + num_tokens <= hole.end]
    return next((extent for extent in extents if avoid is None or not extent.overlaps(avoid)), None)
