"""Decides what a worker has room for: which classes, and whether to compute, prepare or pre-empt. Uses no clock."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.jobs.leases import Place, Room, spare_rows
from shared.jobs.spec import Priority

_CLASSES = tuple(Priority)  # the most urgent first


@dataclass(frozen=True, slots=True)
class Running:
    """A render that has not left the engine. `left_s`: seconds of the device until it ends; None: not known yet."""

    rank: int
    left_s: float | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """How many renders a worker computes at once, and how many more it prepares `ahead` of the end of those.

    Of the places, `spare` are for the highest class alone. With `preempts` there is one more, beyond all others, for
    a class that is higher than everything held.
    """

    at_once: int
    ahead: int = 0
    spare: int = 0
    preempts: bool = False

    @property
    def most(self) -> int:
        """The most renders that are ever held before their end."""
        return self.at_once + self.ahead + (len(_CLASSES) - 1 if self.preempts else 0)

    def open(self, running: Sequence[Running], lead_s: float) -> Sequence[Place]:
        """Returns what may be claimed beside `running`, the best place first. A preparation takes `lead_s`."""
        if len(running) < self.at_once:
            return [self._free(running)]
        beyond = self._beyond(running) if self.preempts else None
        due_s = self.ahead_due_s(running, lead_s)
        ahead = Place(Room.AHEAD, _CLASSES[-1]) if due_s is not None and due_s <= 0 else None
        return [place for place in (beyond, ahead) if place]

    def ahead_due_s(self, running: Sequence[Running], lead_s: float) -> float | None:
        """Returns the seconds until the next render is to be prepared; None while that is not known or not wanted."""
        if not self.at_once <= len(running) < self.at_once + self.ahead:
            return None
        left = [each.left_s for each in running if each.left_s is not None]
        return sum(left) / self.at_once - lead_s if len(left) == len(running) else None

    def _free(self, running: Sequence[Running]) -> Place:
        """A lower class leaves the spare places free."""
        num_lower = sum(each.rank > 0 for each in running)
        return Place(Room.FREE, _CLASSES[-1] if num_lower < self.at_once - self.spare else _CLASSES[0])

    def _beyond(self, running: Sequence[Running]) -> Place | None:
        top = min(each.rank for each in running)
        return Place(Room.BEYOND, _CLASSES[top - 1]) if top else None


def rows(num_rows: int) -> Places:
    """Rows that are decoded together: a render can't pre-empt, so a row is kept free for the highest class."""
    return Places(num_rows, spare=spare_rows(num_rows))


def turns(num_held: int, at_once: int = 1) -> Places:
    """Renders that have the device in turns, of which `at_once` share a step; the others are prepared ahead."""
    at_once = min(at_once, num_held)
    return Places(at_once, ahead=num_held - at_once, preempts=True)
