"""Hands out extents of KV memory. Knows nothing of tensors; a token of KV is a number here."""

from bisect import insort
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Extent:
    """Tokens `start .. start + length - 1` of the KV memory."""

    start: int
    length: int

    @property
    def end(self) -> int:
        return self.start + self.length


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

    def book(self, num_tokens: int) -> Extent | None:
        """An extent of exactly this length, or None while none of that length is free."""
        assert num_tokens > 0
        for position, hole in enumerate(self._free):
            if hole.length >= num_tokens:
                extent = Extent(hole.start, num_tokens)
                rest = Extent(extent.end, hole.length - num_tokens)
                self._free[position : position + 1] = [rest] if rest.length else []
                self._booked.add(extent)
                return extent
        return None

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
