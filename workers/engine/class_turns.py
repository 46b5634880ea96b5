"""Decides which priority class (`interactive` or `batch`) gets the next step of a device.

It knows neither renders nor tensors.
"""

from collections.abc import Collection


class ClassTurns:
    """Decides which class gets each step: the highest one. A lower class that has to wait (is pre-empted) still gets a
    minimum share of the steps, the floor.

    Without the floor, a worker with endless work of the higher class would never finish a pre-empted render.
    """

    def __init__(self, floor: float) -> None:
        """Creates the object that decides which class gets each step. `floor` is the minimum share of the steps for a
        lower class that is pre-empted, from 0 to less than 1. When workers claim renders, they give lower classes the
        same share.
        """
        self._credit_a_step = floor / (1 - floor)
        self._credit = 0.0

    def next_rank(self, ranks: Collection[int]) -> int:
        """Returns the rank of the class that gets the next step; 0 is the highest class.

        `ranks` are the class ranks of all renders that could be in that step.
        """
        top, lowest = min(ranks), max(ranks)
        if top == lowest:
            self._credit = 0.0
            return top
        if self._credit >= 1:
            self._credit -= 1
            return lowest
        self._credit += self._credit_a_step
        return top
