"""Claims as many webhook deliveries as there are free slots and runs their attempts concurrently.

Does not send requests itself.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog
from structlog.contextvars import bound_contextvars

from shared.errors import StoreUnavailable
from shared.process.background import Background
from shared.store.webhooks.deliveries import Delivery, DeliveryStore
from workers.delivery.lanes import AttemptSlots

log = structlog.get_logger()

_POLL_S = 0.2  # The dispatcher also polls this often, because a retry may be due or a hint may be lost.
_PAUSE_S = 1.0  # between two tries while the store is unavailable or the machine has no free thread

# Makes one webhook attempt within the given number of seconds.
CarryOut = Callable[[Delivery, float], None]


class Dispatcher:
    """Claims deliveries on one thread and makes their webhook attempts on up to `slots` other threads.

    The other threads are started when they are needed.
    """

    def __init__(self, deliveries: DeliveryStore, carry_out: CarryOut, slots: int) -> None:
        self._deliveries = deliveries
        self._carry_out = carry_out
        self._slots = AttemptSlots(slots)
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="attempt")
        self._changed = threading.Condition()
        self._is_woken = self._is_stopped = False
        self._thread = Background("dispatcher", self._run, lambda: self._is_stopped)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Wakes the thread that claims deliveries, because a delivery may be due."""
        with self._changed:
            self._is_woken = True
            self._changed.notify_all()

    @property
    def num_under_way(self) -> int:
        """Returns the number of attempts under way."""
        with self._changed:
            return len(self._slots.under_way)

    def close(self) -> None:
        """Stops claiming deliveries and returns at once. Attempts under way continue."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def stop(self, grace_s: float) -> bool:
        """Stops claiming deliveries and waits up to `grace_s` for the webhook attempts under way.

        Returns whether all attempts ended in time. Deliveries whose attempts did not end in time are handed back and
        are due again at once.
        """
        ends_at = time.monotonic() + grace_s
        self.close()
        self._thread.join()
        with self._changed:
            self._changed.wait_for(lambda: not self._slots.under_way, max(0.0, ends_at - time.monotonic()))
            left = self._slots.under_way
        self._pool.shutdown(wait=False, cancel_futures=True)
        for delivery in left:
            self._hand_back(delivery)
        return not left

    def _run(self) -> None:
        while not self._is_stopped:
            try:
                num_claimed = self._claim()
            except StoreUnavailable as error:
                log.warning("dispatcher.store_unavailable", error=str(error))
                self._wait(_PAUSE_S, ignores_wake_ups=True)
            else:
                if not num_claimed:
                    self._wait(self._idle_s())

    def _idle_s(self) -> float:
        """Returns for how many seconds the dispatcher waits after a claim that found nothing. A wake-up ends this wait
        early.
        """
        with self._changed:
            return max(0.0, min(_POLL_S, self._slots.more_room_in_s()))

    def _claim(self) -> int:
        """Claims deliveries for the free slots and starts their attempts. Returns how many deliveries were claimed."""
        with self._changed:
            self._is_woken = False
            room = self._slots.room()
        if room.total <= 0:
            return 0
        claimed = self._deliveries.claim(room)
        with self._changed:
            limits_s = self._slots.admit(claimed)
        begun = [self._begin(delivery, longest_s) for delivery, longest_s in zip(claimed, limits_s, strict=True)]
        if not all(begun):
            log.warning("dispatcher.no_thread", num_handed_back=begun.count(False))
            self._wait(_PAUSE_S, ignores_wake_ups=True)
        return len(claimed)

    def _begin(self, delivery: Delivery, longest_s: float) -> bool:
        """Starts the webhook attempt of a claimed delivery on a thread. Returns False when the machine can't start a
        thread.

        In that case the slot is freed, and the delivery is handed back and due again at once.
        """
        try:
            self._pool.submit(self._run_one, delivery, longest_s)
        except RuntimeError:
            with self._changed:
                self._slots.leave(delivery)
            self._hand_back(delivery)
            return False
        return True

    def _run_one(self, delivery: Delivery, longest_s: float) -> None:
        with self._changed:
            # The pool also runs work for which it first found no thread. Such a delivery was handed back already.
            if not self._slots.holds(delivery):
                return
        with bound_contextvars(**delivery.log_ids):
            self._run_bound(delivery, longest_s)

    def _run_bound(self, delivery: Delivery, longest_s: float) -> None:
        try:
            self._carry_out(delivery, longest_s)
        except StoreUnavailable as error:
            # The lease expires and the message is sent again with the same id, perhaps for a second time.
            log.warning("delivery.not_recorded", error=str(error))
        except Exception:
            log.exception("delivery.crashed")
        finally:
            with self._changed:
                self._slots.leave(delivery)
                self._is_woken = True
                self._changed.notify_all()

    def _hand_back(self, delivery: Delivery) -> None:
        try:
            self._deliveries.hand_back(delivery)
        except StoreUnavailable as error:
            log.warning("delivery.not_handed_back", **delivery.log_ids, error=str(error))

    def _wait(self, timeout_s: float, *, ignores_wake_ups: bool = False) -> None:
        """Waits until the dispatcher is woken or stopped, but at most `timeout_s`.

        With `ignores_wake_ups`, only a stop ends the wait early.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped or (self._is_woken and not ignores_wake_ups), timeout_s)
