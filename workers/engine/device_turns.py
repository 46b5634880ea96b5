"""Decides when an engine gives a shared device to another engine that waits for it. Plain Python: no clock, locks or
tensors.
"""

from dataclasses import dataclass

BULK_RANK = 1  # the rank of class `batch` in `shared.jobs.spec.Priority`; `interactive` has rank 0
_NEW = 0.2  # weight of the newest move in the moving average
_MOST_OFF = 4  # a move counts as at most so many times the average: one slow move must not make all turns long


class MoveTimes:
    """The mean seconds of moving an engine's weights to its device and off it again. Recent moves count most."""

    def __init__(self) -> None:
        self.mean_s: float | None = None

    def note(self, took_s: float) -> None:
        if self.mean_s is None:
            self.mean_s = took_s
        else:
            self.mean_s += _NEW * (min(took_s, _MOST_OFF * self.mean_s) - self.mean_s)


@dataclass(frozen=True, slots=True)
class Demand:
    """The work that an engine has for its device.

    `rank` is the priority of its most urgent render: 0 for `interactive`, 1 for `batch`. `left_s` is the device time
    (s) that all its renders still need together.
    """

    rank: int
    left_s: float


@dataclass(frozen=True, slots=True)
class TurnRules:
    """Decides when an engine's turn on a shared device ends. A turn ends only between two steps, and only while another
    engine waits for the device:

    - If the waiting engine has work of a more urgent class, the turn ends after `urgent_s`.
    - If both engines have work of the same class, they share a cycle of `cycle_s`. The engine that will be done sooner
      gets the longer part of it, because then pictures are finished earlier.
    - If the waiting engine has work of a less urgent class, the turn ends after `longest_s`, so that this class keeps
      its minimum share (`floor`).

    In the last two cases a turn may last up to `overtime_s` longer if all its renders end in that time. So a group of
    AR renders stays together, and weights are not moved again for the last steps of a picture.

    `move_s` is the mean time that the engine's weights take to the device and off it again (`MoveTimes`).
    `most_urgent_s` limits the turn for which an interactive render waits. It counts where weights move so slowly that a
    turn worth its move would take longer: then more than 1 - `least_share` of the time may go into moves.
    """

    move_s: float = 0.72  # 18 GB of AR weights over PCIe 4.0 at 25 GB/s; the DiT's 14.2 GB take 0.57 s
    least_share: float = 0.9  # the least share of the device's time that is not spent on moving weights
    floor: float = 0.1  # the share of the less urgent class
    interactive_cycle_s: float = 24.0
    bulk_cycle_s: float = 120.0
    most_urgent_s: float = 20.0  # as many seconds as two pictures of 1024x1024 need in the DiT

    @property
    def least_s(self) -> float:
        """The shortest turn in seconds that is worth moving weights for it: 6.5 by default.

        Weights are moved at each change of turns. With shorter turns, moving them would take a larger share of the time
        than 1 - `least_share`.
        """
        return self.move_s * self.least_share / (1 - self.least_share)

    @property
    def urgent_s(self) -> float:
        """The shortest turn in seconds while an interactive render waits: 6.5 by default."""
        return min(self.least_s, self.most_urgent_s)

    @property
    def longest_s(self) -> float:
        """The longest turn in seconds while another engine waits with work of a less urgent class: 58 by default. The
        waiting engine then gets a turn of `urgent_s`.
        """
        return self.urgent_s * (1 - self.floor) / self.floor

    def cycle_s(self, rank: int) -> float:
        return max(2 * self._least_s(rank), self.bulk_cycle_s if rank >= BULK_RANK else self.interactive_cycle_s)

    def overtime_s(self, rank: int) -> float:
        return self.cycle_s(rank) / 4

    def is_over(self, ours: Demand, theirs: Demand, held_s: float) -> bool:
        """Returns whether an engine's turn on the shared device is over. The engine has had the device for `held_s`
        seconds. `ours` is the demand of this engine, and `theirs` is the demand of the waiting engine.
        """
        turn_s = self._turn_s(ours, theirs)
        if held_s < turn_s:
            return False
        ends_soon = held_s + ours.left_s <= turn_s + self.overtime_s(ours.rank)
        return theirs.rank < ours.rank or not ends_soon

    def longest_wait_s(self, rank: int, other_rank: int, step_s: float, own_move_s: float | None = None) -> float:
        """Returns the longest time in seconds that an engine waits for the shared device. `rank` is the class of this
        engine's most urgent work. These are the rules of the other engine: `other_rank` is the class of its work,
        `step_s` is the duration of its steps. `own_move_s` is the time of moving this engine's weights, by default the
        same as that of the other engine.

        By default an interactive render waits at most 24.2 s and one step for other interactive renders. For renders of
        the class `batch` it waits at most 7.2 s and one step.
        """
        if rank < other_rank:
            turn_s = self.urgent_s
        elif rank == other_rank:
            turn_s = self.cycle_s(rank) - self._least_s(rank) + self.overtime_s(rank)
        else:
            turn_s = self.longest_s + self.overtime_s(other_rank)
        return turn_s + step_s + (self.move_s if own_move_s is None else own_move_s)

    def _least_s(self, rank: int) -> float:
        """Returns the shortest turn on the shared device, in seconds, while both stages have work of this class."""
        return self.least_s if rank >= BULK_RANK else self.urgent_s

    def _turn_s(self, ours: Demand, theirs: Demand) -> float:
        if theirs.rank < ours.rank:
            return self.urgent_s
        if theirs.rank > ours.rank:
            return self.longest_s
        cycle_s, both_s, least_s = self.cycle_s(ours.rank), ours.left_s + theirs.left_s, self._least_s(ours.rank)
        part = theirs.left_s / both_s if 0 < both_s < float("inf") else 0.5
        return min(max(least_s, cycle_s * part), cycle_s - least_s)
