"""Decides when an engine gives a shared device to another engine that waits for it. Plain Python: no clock, locks or
tensors.
"""

from dataclasses import dataclass

BULK_RANK = 1  # the rank of class `batch` in `shared.jobs.spec.Priority`; `interactive` has rank 0


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

    - If the waiting engine has work of a more urgent class, the turn ends after `least_s`.
    - If both engines have work of the same class, they share a cycle of `cycle_s`. The engine that will be done sooner
      gets the longer part of it, because then pictures are finished earlier.
    - If the waiting engine has work of a less urgent class, the turn ends after `longest_s`, so that this class keeps
      its minimum share (`floor`).

    In the last two cases a turn may last up to `overtime_s` longer if all its renders end in that time. So a group of
    AR renders stays together, and weights are not moved again for the last steps of a picture.
    """

    move_s: float = 0.72  # 18 GB of AR weights over PCIe 4.0 at 25 GB/s; the DiT's 14.2 GB take 0.57 s
    least_share: float = 0.9  # the least share of the device's time that is not spent on moving weights
    floor: float = 0.1  # the share of the less urgent class
    interactive_cycle_s: float = 24.0
    bulk_cycle_s: float = 120.0

    @property
    def least_s(self) -> float:
        """The shortest turn in seconds: 6.5 by default.

        Weights are moved at each change of turns. With shorter turns, moving them would take a larger share of the time
        than 1 - `least_share`.
        """
        return self.move_s * self.least_share / (1 - self.least_share)

    @property
    def longest_s(self) -> float:
        """The longest turn in seconds while another engine waits with work of a less urgent class: 58 by default. The
        waiting engine then gets a turn of `least_s`.
        """
        return self.least_s * (1 - self.floor) / self.floor

    def cycle_s(self, rank: int) -> float:
        return max(2 * self.least_s, self.bulk_cycle_s if rank >= BULK_RANK else self.interactive_cycle_s)

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

    def longest_wait_s(self, rank: int, other_rank: int, step_s: float) -> float:
        """Returns the longest time in seconds that an engine waits for the shared device. `rank` is the class of this
        engine's most urgent work. `other_rank` is the class of the other engine's work, and `step_s` is the duration of
        the other engine's steps.

        By default an interactive render waits at most 24.2 s and one step for other interactive renders. For renders of
        the class `batch` it waits at most 7.2 s and one step.
        """
        if rank < other_rank:
            turn_s = self.least_s
        elif rank == other_rank:
            turn_s = self.cycle_s(rank) - self.least_s + self.overtime_s(rank)
        else:
            turn_s = self.longest_s + self.overtime_s(other_rank)
        return turn_s + step_s + self.move_s

    def _turn_s(self, ours: Demand, theirs: Demand) -> float:
        if theirs.rank < ours.rank:
            return self.least_s
        if theirs.rank > ours.rank:
            return self.longest_s
        cycle_s, both_s = self.cycle_s(ours.rank), ours.left_s + theirs.left_s
        part = theirs.left_s / both_s if 0 < both_s < float("inf") else 0.5
        return min(max(self.least_s, cycle_s * part), cycle_s - self.least_s)
