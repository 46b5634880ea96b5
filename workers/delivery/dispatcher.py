"""Claims as many deliveries as there are free slots, and runs them concurrently. Sends nothing itself."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog
from structlog.contextvars import bound_contextvars

from shared.errors import StoreUnavailable
from shared.process.background import Background
from shared.store.webhooks.deliveries import Delivery, DeliveryStore
from workers.delivery.lanes import Lanes

log = structlog.get_logger()

_POLL_S = 0.2  # in which it looks without having been woken: a retry is due, or a hint was lost
_PAUSE_S = 1.0  # while the store is away

# One attempt, which may take so many seconds.
CarryOut = Callable[[Delivery, float], None]


class Dispatcher:
    """A thread that claims, and up to `slots` threads that send, started as they are needed."""

    def __init__(self, deliveries: DeliveryStore, carry_out: CarryOut, slots: int) -> None:
        self._deliveries = deliveries
        self._carry_out = carry_out
        self._lanes = Lanes(slots)
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="attempt")
        self._changed = threading.Condition()
        self._is_woken = self._is_stopped = False
        self._thread = Background("dispatcher", self._run, lambda: self._is_stopped)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Wakes the claiming thread, since a delivery may be due."""
        with self._changed:
            self._is_woken = True
            self._changed.notify_all()

    @property
    def num_under_way(self) -> int:
        with self._changed:
            return len(self._lanes.under_way)

    def close(self) -> None:
        """Stops claiming."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def stop(self, grace_s: float) -> bool:
        """Stops claiming and waits for the attempts. Returns False when some did not end in time; they are due again at
        once.
        """
        ends_at = time.monotonic() + grace_s
        self.close()
        self._thread.join()
        with self._changed:
            self._changed.wait_for(lambda: not self._lanes.under_way, max(0.0, ends_at - time.monotonic()))
            left = self._lanes.under_way
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
                self._wait(_PAUSE_S, is_deaf=True)
            else:
                if not num_claimed:
                    self._wait(self._idle_s())

    def _idle_s(self) -> float:
        """How long a claim that found nothing stands, unless somebody wakes us."""
        with self._changed:
            return max(0.0, min(_POLL_S, self._lanes.more_room_in_s()))

    def _claim(self) -> int:
        with self._changed:
            self._is_woken = False
            room = self._lanes.room()
        if room.total <= 0:
            return 0
        claimed = self._deliveries.claim(room)
        with self._changed:
            limits_s = self._lanes.admit(claimed)
        begun = [self._begin(delivery, longest_s) for delivery, longest_s in zip(claimed, limits_s, strict=True)]
        if not all(begun):
            log.warning("dispatcher.no_thread", num_handed_back=begun.count(False))
            self._wait(_PAUSE_S, is_deaf=True)
        return len(claimed)

    def _begin(self, delivery: Delivery, longest_s: float) -> bool:
        """Starts an attempt. Returns False when the machine has no thread for it: it is due again at once and its slot
        is free.
        """
        try:
            self._pool.submit(self._run_one, delivery, longest_s)
        except RuntimeError:
            with self._changed:
                self._lanes.leave(delivery)
            self._hand_back(delivery)
            return False
        return True

    def _run_one(self, delivery: Delivery, longest_s: float) -> None:
        with self._changed:
            if not self._lanes.holds(delivery):  # the pool keeps what it had no thread for, and it was handed back
                return
        with bound_contextvars(**delivery.log_ids):
            self._run_bound(delivery, longest_s)

    def _run_bound(self, delivery: Delivery, longest_s: float) -> None:
        try:
            self._carry_out(delivery, longest_s)
        except StoreUnavailable as error:
            # Its lease ends, and it is sent again under the same id: the receiver may have it already.
            log.warning("delivery.not_recorded", error=str(error))
        except Exception:
            log.exception("delivery.crashed")
        finally:
            with self._changed:
                self._lanes.leave(delivery)
                self._is_woken = True
                self._changed.notify_all()

    def _hand_back(self, delivery: Delivery) -> None:
        try:
            self._deliveries.hand_back(delivery)
        except StoreUnavailable as error:
            log.warning("delivery.not_handed_back", **delivery.log_ids, error=str(error))

    def _wait(self, timeout_s: float, *, is_deaf: bool = False) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped or (self._is_woken and not is_deaf), timeout_s)
