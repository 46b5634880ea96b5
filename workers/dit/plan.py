"""Decides from measured times how many rows of one picture size share a forward pass. It measures nothing itself.

A row is one guidance branch of a render; a render with guidance has two rows in each step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from shared.geometry import GridSize

_WORTH_IT = 0.97  # more rows in a pass need more memory; a gain below 3 % per row is not worth that and may be noise


@dataclass(frozen=True, slots=True)
class Timing:
    """A measured time: the milliseconds of one forward pass with `rows` rows of the picture size `size`, divided by
    `rows`.

    A row is one guidance branch of a render, so a render with guidance has two rows in each step.
    """

    size: GridSize
    rows: int
    ms_per_row: float


@dataclass(frozen=True)
class Plan:
    """Says how many rows (guidance branches of renders) of each picture size share a forward pass. The numbers do not
    depend on the load.

    Without timings each row has a pass of its own.
    """

    timings: Sequence[Timing] = ()

    def rows_per_pass(self, size: GridSize) -> int:
        """Returns how many rows (guidance branches of renders) of this picture size share a forward pass.

        A size that was not measured gets the number of the next larger measured size, compared by the number of tokens.
        A size that exceeds all measured sizes gets 1.
        """
        large_enough = [known for known in self._choices if known.num_tokens >= size.num_tokens]
        return self._choices[min(large_enough, key=lambda known: known.num_tokens)] if large_enough else 1

    @property
    def most_rows(self) -> int:
        """The largest number of rows (guidance branches of renders) that share a forward pass, over all sizes of
        pictures.
        """
        return max(self._choices.values(), default=1)

    def table(self) -> Sequence[Mapping[str, object]]:
        """Returns the measured times for the log, one entry for each measurement. Sizes are in visual tokens; a token
        covers 32x32 pixels.
        """
        return [
            {
                "rows": timing.size.rows,
                "cols": timing.size.cols,
                "rows_per_pass": timing.rows,
                "ms_per_row": round(timing.ms_per_row, 1),
                "is_chosen": self._choices[timing.size] == timing.rows,
            }
            for timing in self.timings
        ]

    @cached_property
    def _choices(self) -> Mapping[GridSize, int]:
        return {size: _choice([t for t in self.timings if t.size == size]) for size in {t.size for t in self.timings}}


def _choice(timings: Sequence[Timing]) -> int:
    """Returns the number of rows for a forward pass that takes the least time for each row.

    A larger number is chosen only if it takes at least 3 % less time for each row than a smaller number.
    """
    chosen, *others = sorted(timings, key=lambda timing: timing.rows)
    for timing in others:
        if timing.ms_per_row < _WORTH_IT * chosen.ms_per_row:
            chosen = timing
    return chosen.rows
