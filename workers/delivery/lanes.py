"""Assigns the slots of a delivery process and their time limits: plain policy. Knows no threads and no store.

An attempt that hangs holds its slot for its whole time-out, and a receiver that was never called may hang. So at most
half of the slots get the full time-out. Attempts beyond these get a short one; if that is too short, the delivery is
repeated later with its full time-out, as one to a slow receiver. Thus the other slots are free again after the short
time-out, whatever hangs.
"""

import math
from collections.abc import Sequence

from shared.store.deliveries import SOON_S, Delivery, Room, Standing

_MOST_AT_ONCE = 64  # keeps the claim to a millisecond or two
_UNPROVEN = 0.75  # of the slots: the others are for receivers that answer soon
_PATIENT = 0.5  # ... may be held for a whole time-out
_FAILING = 0.25  # ... by receivers whose last attempt failed: what is slow and well has the rest


class Lanes:
    """The attempts under way, and the rules for new ones. For one thread at a time."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._is_patient: dict[Delivery, bool] = {}

    @property
    def under_way(self) -> list[Delivery]:
        return list(self._is_patient)

    def holds(self, delivery: Delivery) -> bool:
        """Returns whether this attempt holds a slot."""
        return delivery in self._is_patient

    def room(self) -> Room:
        """Returns how many deliveries a claim may take."""
        standings = [delivery.standing for delivery in self._is_patient]
        num_unproven = len(standings) - standings.count(Standing.PROVEN)
        return Room(
            total=min(self._slots - len(standings), _MOST_AT_ONCE),
            unproven=self._left(_UNPROVEN, num_unproven),
            slow=self._num_patient_left(),
            failing=self._left(_FAILING, standings.count(Standing.FAILING)),
        )

    def admit(self, claimed: Sequence[Delivery]) -> list[float]:
        """Assigns a slot to each delivery; returns their time limits in seconds. Slow and failing receivers get the
        full one.
        """
        num_left = self._num_patient_left() - sum(map(_needs_time, claimed))
        for delivery in claimed:
            is_patient = _needs_time(delivery) or num_left > 0
            num_left -= is_patient and not _needs_time(delivery)
            self._is_patient[delivery] = is_patient
        return [math.inf if self._is_patient[delivery] else SOON_S for delivery in claimed]

    def leave(self, delivery: Delivery) -> None:
        """Frees the slot of an attempt that has ended."""
        del self._is_patient[delivery]

    def _num_patient_left(self) -> int:
        return self._left(_PATIENT, sum(self._is_patient.values()))

    def _left(self, share: float, num_taken: int) -> int:
        return max(0, max(1, int(self._slots * share)) - num_taken)


def _needs_time(delivery: Delivery) -> bool:
    return delivery.standing in (Standing.SLOW, Standing.FAILING)
