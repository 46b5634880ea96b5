"""Who holds the slots of a delivery process, and for how long: plain policy. Knows no threads and no store.

What hangs holds a slot for its whole time-out, and a receiver that was never seen may hang. So half of the slots at
most are held for that long. Whoever comes beyond them has a moment, and if that is not enough, all its time later, in
the company of the slow. The rest of the slots is therefore free again within that moment, whatever hangs.
"""

import math
from collections.abc import Sequence

from shared.store.deliveries import SOON_S, Delivery, Room, Standing

_MOST_AT_ONCE = 64  # keeps the claim to a millisecond or two
_UNPROVEN = 0.75  # of the slots: the others are for receivers that answer soon
_PATIENT = 0.5  # ... may be held for a whole time-out
_FAILING = 0.25  # ... by receivers whose last attempt failed: what is slow and well has the rest


class Lanes:
    """The attempts under way, and who may join them. One thread at a time may use it."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._is_patient: dict[Delivery, bool] = {}

    @property
    def under_way(self) -> list[Delivery]:
        return list(self._is_patient)

    def holds(self, delivery: Delivery) -> bool:
        """Whether this attempt has its slot."""
        return delivery in self._is_patient

    def room(self) -> Room:
        """For a claim."""
        standings = [delivery.standing for delivery in self._is_patient]
        num_unproven = len(standings) - standings.count(Standing.PROVEN)
        return Room(
            total=min(self._slots - len(standings), _MOST_AT_ONCE),
            unproven=self._left(_UNPROVEN, num_unproven),
            slow=self._num_patient_left(),
            failing=self._left(_FAILING, standings.count(Standing.FAILING)),
        )

    def admit(self, claimed: Sequence[Delivery]) -> list[float]:
        """For how long each may hold its slot, in seconds. The slow and the failing have all their time."""
        num_left = self._num_patient_left() - sum(map(_needs_time, claimed))
        for delivery in claimed:
            is_patient = _needs_time(delivery) or num_left > 0
            num_left -= is_patient and not _needs_time(delivery)
            self._is_patient[delivery] = is_patient
        return [math.inf if self._is_patient[delivery] else SOON_S for delivery in claimed]

    def leave(self, delivery: Delivery) -> None:
        """It ended."""
        del self._is_patient[delivery]

    def _num_patient_left(self) -> int:
        return self._left(_PATIENT, sum(self._is_patient.values()))

    def _left(self, share: float, num_taken: int) -> int:
        return max(0, max(1, int(self._slots * share)) - num_taken)


def _needs_time(delivery: Delivery) -> bool:
    return delivery.standing in (Standing.SLOW, Standing.FAILING)
