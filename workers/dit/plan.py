"""Decides, from measured times, how many renders of one size share a forward pass. Measures nothing itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from shared.geometry import GridSize

_WORTH_IT = 0.97  # a pass of more rows holds more memory: under 3 % a row it isn't worth that, and may be noise


@dataclass(frozen=True, slots=True)
class Timing:
    """One forward of `rows` rows of a size; a render with guidance has two rows a step."""

    size: GridSize
    rows: int
    ms_per_row: float


@dataclass(frozen=True)
class Plan:
    """Chosen once per size, whatever the load. Without timings every row has a pass of its own."""

    timings: Sequence[Timing] = ()

    def rows_per_pass(self, size: GridSize) -> int:
        """That of the smallest measured size that has as many tokens; 1 for what is larger than all."""
        large_enough = [known for known in self._choices if known.num_tokens >= size.num_tokens]
        return self._choices[min(large_enough, key=lambda known: known.num_tokens)] if large_enough else 1

    @property
    def most_rows(self) -> int:
        """The most rows that share a pass, of any size."""
        return max(self._choices.values(), default=1)

    def table(self) -> Sequence[Mapping[str, object]]:
        """A row per measurement, for logs and facts; sizes in DiT's 32-pixel tokens."""
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
    """The fewest rows that are not beaten clearly."""
    chosen, *others = sorted(timings, key=lambda timing: timing.rows)
    for timing in others:
        if timing.ms_per_row < _WORTH_IT * chosen.ms_per_row:
            chosen = timing
    return chosen.rows
