"""Assigns slots and timeouts to webhook attempts, so that receivers that hang or fail do not delay others. Only
decides: uses no threads and no store.

- A receiver that hangs occupies a slot for the attempt's whole timeout, and a receiver without an earlier attempt may
  hang. So at most half of the slots are for attempts with the full timeout.
- The other attempts get a short timeout of 1 s. A delivery that exceeds the short timeout is repeated later with the
  full timeout, because its receiver then counts as slow.
- A receiver is proven if its last attempt succeeded within 1 s. Only a few attempts to receivers that are not proven
  may start at the same time. An attempt uses the CPU mostly at its start, and all attempts share one Python
  interpreter. Without this limit, attempts to proven receivers would wait while hundreds of others use the CPU.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from shared.store.webhooks.deliveries import SOON_S, Delivery, ReceiverClass, Room

_MOST_IN_CLAIM = 64  # deliveries in one claim, so that the claim script takes 1 to 2 ms
# Shares of the slots.
_UNPROVEN = 0.75  # at most for receivers that are not proven; the rest is for receivers that respond soon
_FULL_TIMEOUT = 0.5  # at most for attempts with the full timeout
_FAILING = 0.25  # at most for receivers whose last attempt failed, so that slow receivers that succeed have the rest
# An attempt computes for 2 to 3 ms. After this time it only waits for its receiver and no longer counts as starting.
BEGIN_S = 0.02
_MOST_BEGINNING = 4  # starting attempts to receivers that are not proven: 200 a second, even if all of them hang
_MOST_FAILING_BEGINNING = 2  # of these, to receivers whose last attempt failed


@dataclass(frozen=True, slots=True)
class _Slot:
    """A slot that a webhook attempt uses.

    `has_full_timeout` means that the attempt has the full timeout instead of the short one. The attempt counts as
    starting, which means that it may use the CPU, until the monotonic clock reaches `begins_until_s`.
    """

    has_full_timeout: bool
    begins_until_s: float


class AttemptSlots:
    """Tracks the webhook attempts under way. Decides which attempts may start and which timeout they get. Not
    thread-safe.
    """

    def __init__(self, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._num_slots = slots
        self._clock = clock
        self._slots: dict[Delivery, _Slot] = {}

    @property
    def under_way(self) -> list[Delivery]:
        """Returns the deliveries whose webhook attempts are under way."""
        return list(self._slots)

    def holds(self, delivery: Delivery) -> bool:
        """Returns whether a webhook attempt of this delivery holds a slot."""
        return delivery in self._slots

    def room(self) -> Room:
        """Returns how many deliveries the next claim may take: in total, and separately for receivers that are slow,
        that fail, and that have not yet succeeded quickly.
        """
        unproven, beginning = self._unproven(), self._beginning()
        return Room(
            total=min(self._num_slots - len(self._slots), _MOST_IN_CLAIM),
            unproven=min(self._left(_UNPROVEN, len(unproven)), _MOST_BEGINNING - len(beginning)),
            slow=self._num_full_timeouts_left(),
            failing=min(
                self._left(_FAILING, _num_failing(unproven)), _MOST_FAILING_BEGINNING - _num_failing(beginning)
            ),
        )

    def more_room_in_s(self) -> float:
        """Returns the seconds until the limit of starting attempts permits another webhook attempt.

        An attempt counts as starting in its first 20 ms, and only a few attempts may be starting at the same time.
        Returns infinity if this limit is not reached, since waiting for it would then be pointless.
        """
        beginning = self._beginning()
        if len(beginning) < _MOST_BEGINNING and _num_failing(beginning) < _MOST_FAILING_BEGINNING:
            return math.inf
        return min(self._slots[delivery].begins_until_s for delivery in beginning) - self._clock()

    def admit(self, claimed: Sequence[Delivery]) -> list[float]:
        """Assigns a slot to each claimed delivery and returns the timeouts of the attempts in seconds. Infinity stands
        for the full timeout.

        Attempts to slow and failing receivers always get the full timeout. Other attempts get the full timeout while
        fewer than half of the slots have it.
        """
        begins_until_s = self._clock() + BEGIN_S
        num_left = self._num_full_timeouts_left() - sum(map(_needs_time, claimed))
        for delivery in claimed:
            has_full_timeout = _needs_time(delivery) or num_left > 0
            num_left -= has_full_timeout and not _needs_time(delivery)
            self._slots[delivery] = _Slot(has_full_timeout, begins_until_s)
        return [math.inf if self._slots[delivery].has_full_timeout else SOON_S for delivery in claimed]

    def leave(self, delivery: Delivery) -> None:
        """Frees the slot of an attempt that has ended."""
        del self._slots[delivery]

    def _unproven(self) -> list[Delivery]:
        return list(filter(_is_unproven, self._slots))

    def _beginning(self) -> list[Delivery]:
        """Returns the deliveries whose attempts count as starting and whose receivers are not proven.

        An attempt counts as starting in its first 20 ms, in which it mostly uses the CPU. A receiver is proven if its
        last attempt succeeded within 1 s.
        """
        now_s = self._clock()
        under_way = self._slots.items()
        return [each for each, slot in under_way if slot.begins_until_s > now_s and _is_unproven(each)]

    def _num_full_timeouts_left(self) -> int:
        return self._left(_FULL_TIMEOUT, sum(slot.has_full_timeout for slot in self._slots.values()))

    def _left(self, share: float, num_taken: int) -> int:
        return max(0, max(1, int(self._num_slots * share)) - num_taken)


def _needs_time(delivery: Delivery) -> bool:
    return delivery.receiver_class in (ReceiverClass.SLOW, ReceiverClass.FAILING)


def _is_unproven(delivery: Delivery) -> bool:
    return delivery.receiver_class is not ReceiverClass.PROVEN


def _num_failing(deliveries: Iterable[Delivery]) -> int:
    return sum(delivery.receiver_class is ReceiverClass.FAILING for delivery in deliveries)
