"""When one of two engines gives up the device that they share. Plain Python: knows no clock, no lock and no tensors."""

from dataclasses import dataclass

BULK_RANK = 1  # of `shared.jobs.spec.Priority`; 0 is for people who wait


@dataclass(frozen=True, slots=True)
class Want:
    """What an engine has in hand: the rank of its most urgent render, and the device seconds that all of it takes."""

    rank: int
    left_s: float


@dataclass(frozen=True, slots=True)
class TurnRules:
    """A turn ends between two steps, only while the other engine waits, and in one of three ways:

    - the other has a more urgent class: after `least_s`;
    - both have the same class: after a part of `cycle_s`; the longer part is of the engine that will be done sooner,
      as pictures leave earlier that way;
    - the other has a less urgent class: after `longest_s`, so that it keeps its floor.

    In the last two cases a turn goes on for up to `overtime_s` if all that it has in hand ends in that time: an AR wave
    is whole, and a picture's last steps need no weights to come back.
    """

    move_s: float = 0.72  # 18 GB of AR weights over PCIe 4.0 at 25 GB/s; the DiT's 14.2 GB take 0.57 s
    least_share: float = 0.9  # of what the device could do without moving weights
    floor: float = 0.1  # share of the less urgent class
    interactive_cycle_s: float = 24.0
    bulk_cycle_s: float = 120.0

    @property
    def least_s(self) -> float:
        """No turn is cut short before this, or moving would take more than 1 - `least_share` of the time: 6.5 s."""
        return self.move_s * self.least_share / (1 - self.least_share)

    @property
    def longest_s(self) -> float:
        """While a less urgent class waits, which then has a turn of `least_s`: 58 s."""
        return self.least_s * (1 - self.floor) / self.floor

    def cycle_s(self, rank: int) -> float:
        return max(2 * self.least_s, self.bulk_cycle_s if rank >= BULK_RANK else self.interactive_cycle_s)

    def overtime_s(self, rank: int) -> float:
        return self.cycle_s(rank) / 4

    def is_over(self, ours: Want, theirs: Want, held_s: float) -> bool:
        """Whether the engine that has held the device for `held_s` gives it to the one that waits."""
        turn_s = self._turn_s(ours, theirs)
        if held_s < turn_s:
            return False
        ends_soon = held_s + ours.left_s <= turn_s + self.overtime_s(ours.rank)
        return theirs.rank < ours.rank or not ends_soon

    def longest_wait_s(self, rank: int, other_rank: int, step_s: float) -> float:
        """Returns the longest that an engine with work of `rank` waits for the device while the other one, whose steps
        take `step_s`, has work of `other_rank`: 24.2 s and a step for a person beside
        other people, 7.2 s and a step beside bulk work.
        """
        if rank < other_rank:
            turn_s = self.least_s
        elif rank == other_rank:
            turn_s = self.cycle_s(rank) - self.least_s + self.overtime_s(rank)
        else:
            turn_s = self.longest_s + self.overtime_s(other_rank)
        return turn_s + step_s + self.move_s

    def _turn_s(self, ours: Want, theirs: Want) -> float:
        if theirs.rank < ours.rank:
            return self.least_s
        if theirs.rank > ours.rank:
            return self.longest_s
        cycle_s, both_s = self.cycle_s(ours.rank), ours.left_s + theirs.left_s
        part = theirs.left_s / both_s if 0 < both_s < float("inf") else 0.5
        return min(max(self.least_s, cycle_s * part), cycle_s - self.least_s)
