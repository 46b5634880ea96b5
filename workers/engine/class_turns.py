"""Decides which class has a device's next step, where one pre-empts another. Knows neither renders nor tensors."""

from collections.abc import Collection


class ClassTurns:
    """The highest class goes first. A lower one that it pre-empted keeps a floor: its share of the steps meanwhile.

    Without it a worker whose higher class never ends would hold a pre-empted render for good.
    """

    def __init__(self, floor: float) -> None:
        """`floor`: from 0 to less than 1, as for claims."""
        self._credit_a_step = floor / (1 - floor)
        self._credit = 0.0

    def next_rank(self, ranks: Collection[int]) -> int:
        """Returns the rank whose step is next; 0 is the highest class. `ranks`: of renders that could be stepped."""
        top, lowest = min(ranks), max(ranks)
        if top == lowest:
            self._credit = 0.0
            return top
        if self._credit >= 1:
            self._credit -= 1
            return lowest
        self._credit += self._credit_a_step
        return top
