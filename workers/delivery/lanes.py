"""Assigns the slots of a delivery process and their time limits: plain policy. Knows no threads and no store.

An attempt that hangs holds its slot for its whole time-out, and a receiver that was never called may hang. So at most
half of the slots get the full time-out. Attempts beyond these get a short one; if that is too short, the delivery is
repeated later with its full time-out, as one to a slow receiver. Thus the other slots are free again after the short
time-out, whatever hangs.

All attempts share one interpreter, and an attempt computes mostly at its beginning. So attempts at receivers that are
not proven begin a few at a time, and a proven receiver does not wait while hundreds of others compute.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from shared.store.webhooks.deliveries import SOON_S, Delivery, Room, Standing

_MOST_AT_ONCE = 64  # keeps the claim to a millisecond or two
_UNPROVEN = 0.75  # of the slots: the others are for receivers that answer soon
_PATIENT = 0.5  # ... may be held for a whole time-out
_FAILING = 0.25  # ... by receivers whose last attempt failed: what is slow and well has the rest
BEGIN_S = 0.02  # an attempt computes for 2 to 3 ms; one that is under way for longer waits for its receiver
_MOST_BEGINNING = 4  # to receivers that are not proven: 200 a second, even if all of them hang
_MOST_FAILING_BEGINNING = 2


@dataclass(frozen=True, slots=True)
class _Slot:
    """`begins_until_s`: until then, on our clock, its attempt counts as one that begins."""

    is_patient: bool
    begins_until_s: float


class Lanes:
    """The attempts under way, and the rules for new ones. For one thread at a time."""

    def __init__(self, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._num_slots = slots
        self._clock = clock
        self._slots: dict[Delivery, _Slot] = {}

    @property
    def under_way(self) -> list[Delivery]:
        return list(self._slots)

    def holds(self, delivery: Delivery) -> bool:
        """Returns whether this attempt holds a slot."""
        return delivery in self._slots

    def room(self) -> Room:
        """Returns how many deliveries a claim may take."""
        unproven, beginning = self._unproven(), self._beginning()
        return Room(
            total=min(self._num_slots - len(self._slots), _MOST_AT_ONCE),
            unproven=min(self._left(_UNPROVEN, len(unproven)), _MOST_BEGINNING - len(beginning)),
            slow=self._num_patient_left(),
            failing=min(
                self._left(_FAILING, _num_failing(unproven)), _MOST_FAILING_BEGINNING - _num_failing(beginning)
            ),
        )

    def more_room_in_s(self) -> float:
        """Returns the seconds until another may begin even if none ends; infinite while the limit is not reached."""
        beginning = self._beginning()
        if len(beginning) < _MOST_BEGINNING and _num_failing(beginning) < _MOST_FAILING_BEGINNING:
            return math.inf
        return min(self._slots[delivery].begins_until_s for delivery in beginning) - self._clock()

    def admit(self, claimed: Sequence[Delivery]) -> list[float]:
        """Assigns a slot to each delivery; returns their time limits in seconds. Slow and failing receivers get the
        full one.
        """
        begins_until_s = self._clock() + BEGIN_S
        num_left = self._num_patient_left() - sum(map(_needs_time, claimed))
        for delivery in claimed:
            is_patient = _needs_time(delivery) or num_left > 0
            num_left -= is_patient and not _needs_time(delivery)
            self._slots[delivery] = _Slot(is_patient, begins_until_s)
        return [math.inf if self._slots[delivery].is_patient else SOON_S for delivery in claimed]

    def leave(self, delivery: Delivery) -> None:
        """Frees the slot of an attempt that has ended."""
        del self._slots[delivery]

    def _unproven(self) -> list[Delivery]:
        return list(filter(_is_unproven, self._slots))

    def _beginning(self) -> list[Delivery]:
        """Returns attempts at unproven receivers that began so recently that they may still use the CPU."""
        now_s = self._clock()
        under_way = self._slots.items()
        return [each for each, slot in under_way if slot.begins_until_s > now_s and _is_unproven(each)]

    def _num_patient_left(self) -> int:
        return self._left(_PATIENT, sum(slot.is_patient for slot in self._slots.values()))

    def _left(self, share: float, num_taken: int) -> int:
        return max(0, max(1, int(self._num_slots * share)) - num_taken)


def _needs_time(delivery: Delivery) -> bool:
    return delivery.standing in (Standing.SLOW, Standing.FAILING)


def _is_unproven(delivery: Delivery) -> bool:
    return delivery.standing is not Standing.PROVEN


def _num_failing(deliveries: Iterable[Delivery]) -> int:
    return sum(delivery.standing is Standing.FAILING for delivery in deliveries)
