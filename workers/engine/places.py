"""Decides which renders a worker can claim next: renders of which classes, and whether to compute them at once, to
prepare them, or to pre-empt others with them.

It uses no clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.jobs.leases import Room, Vacancy, spare_rows
from shared.jobs.spec import Priority

_CLASSES = tuple(Priority)  # ordered, the most urgent first


@dataclass(frozen=True, slots=True)
class Running:
    """A render in the engine. `left_s` is the device time in seconds that it still needs, or None while that is
    unknown.
    """

    rank: int
    left_s: float | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """The places of a worker. A place is room for one render that the worker computes or prepares.

    The worker computes `at_once` renders together. While they run, it prepares `ahead` more renders. Of the `at_once`
    places, `spare` are reserved for the highest class. With `preempts` there is one more place, for a render of a
    higher class than all renders in the worker.
    """

    at_once: int
    ahead: int = 0
    spare: int = 0
    preempts: bool = False

    @property
    def most(self) -> int:
        """The largest number of renders that the worker has at the same time, computed and prepared ones together."""
        return self.at_once + self.ahead + (len(_CLASSES) - 1 if self.preempts else 0)

    def open(self, running: Sequence[Running], lead_s: float) -> Sequence[Vacancy]:
        """Returns the places (room for one render each) for which the worker can claim a render now, the best place
        first.

        `running` are the renders that the worker already has. `lead_s` is the number of seconds that preparing a render
        takes.
        """
        if len(running) < self.at_once:
            return [self._free(running)]
        beyond = self._beyond(running) if self.preempts else None
        due_s = self.ahead_due_s(running, lead_s)
        ahead = Vacancy(Room.AHEAD, _CLASSES[-1]) if due_s is not None and due_s <= 0 else None
        return [place for place in (beyond, ahead) if place]

    def ahead_due_s(self, running: Sequence[Running], lead_s: float) -> float | None:
        """Returns the seconds until the worker should claim and prepare its next render. Returns None if that time is
        unknown, or if the worker has no room to prepare another render.

        `lead_s` is the number of seconds that preparing a render takes.
        """
        if not self.at_once <= len(running) < self.at_once + self.ahead:
            return None
        left = [each.left_s for each in running if each.left_s is not None]
        return sum(left) / self.at_once - lead_s if len(left) == len(running) else None

    def _free(self, running: Sequence[Running]) -> Vacancy:
        """Returns the open place (room for one render) for a render that starts at once.

        If only places reserved for the highest class are open, the returned place is for that class alone.
        """
        num_lower = sum(each.rank > 0 for each in running)
        return Vacancy(Room.FREE, _CLASSES[-1] if num_lower < self.at_once - self.spare else _CLASSES[0])

    def _beyond(self, running: Sequence[Running]) -> Vacancy | None:
        top = min(each.rank for each in running)
        return Vacancy(Room.BEYOND, _CLASSES[top - 1]) if top else None


def rows(num_rows: int) -> Places:
    """Returns the places (room for one render each) of an AR worker, which decodes `num_rows` rows together.

    Renders can't pre-empt each other in an AR worker. So one row is reserved for the highest class, unless the worker
    has too few rows.
    """
    return Places(num_rows, spare=spare_rows(num_rows))


def turns(num_held: int) -> Places:
    """Returns the places (room for one render each) of a DiT worker, which can have `num_held` renders.

    It computes one of them. The others are prepared and wait for their turn.
    """
    return Places(at_once=1, ahead=num_held - 1, preempts=True)
