"""Renews leases on a side thread while the engine thread computes, because one step may outlast a lease."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from shared.errors import StoreUnavailable
from shared.ids import RenderId
from shared.jobs.leases import Lease, RenderReport
from shared.process.background import Background, note_fault

log = structlog.get_logger()

Beat = Callable[[Sequence[RenderReport]], Mapping[RenderId, bool]]


class Heartbeat:
    """Renews the leases of a worker's renders every `interval_s` seconds, on a thread of its own."""

    def __init__(
        self,
        beat: Beat,
        *,
        held: Callable[[], Sequence[RenderReport]],
        revoke: Callable[[Sequence[Lease]], None],
        is_alive: Callable[[float], bool],
        on_hang: Callable[[], None],
        interval_s: float,
    ) -> None:
        """Creates the heartbeat.

        - `beat` sends one heartbeat and returns, for each render, whether its lease is still current.
        - `held` returns the leases to renew.
        - `revoke` drops renders whose leases are lost.
        - `is_alive` returns False if the engine hangs.
        - `on_hang` ends the process, because a hung device does not recover.
        """
        self._beat = beat
        self._held = held
        self._revoke = revoke
        self._is_alive = is_alive
        self._on_hang = on_hang
        self._interval_s = interval_s
        self._is_stopped = False
        self._num_wanted = self._num_begun = 0
        self._changed = threading.Condition()
        self._thread = Background("heartbeat", self._run, lambda: self._is_stopped)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        self._thread.join()

    def report(self) -> None:
        """Asks the heartbeat thread to send a heartbeat now, and returns at once. So the device never waits for the
        store.
        """
        with self._changed:
            self._num_wanted = self._num_begun + 1  # a heartbeat that is being sent may have read the state too early
            self._changed.notify_all()

    def tick(self, now_s: float) -> None:
        """Sends one heartbeat, and revokes the renders whose leases are no longer current.

        If the engine hangs, this method calls `on_hang` and sends nothing. Then the leases expire and other workers
        claim the renders.
        """
        if not self._is_alive(now_s):
            log.error("engine.hangs")
            self._on_hang()
            return
        held = self._held()
        try:
            still_ours = self._beat(held)
        except StoreUnavailable as error:
            log.warning("heartbeat.failed", error=str(error))
            return
        except Exception:  # noqa: BLE001 - the next heartbeat comes in time; ending the thread would lose all leases
            note_fault("heartbeat")
            return
        self._revoke([each.lease for each in held if not still_ours[each.lease.render_id]])

    def _run(self) -> None:
        while self._begin():
            self.tick(time.monotonic())
            with self._changed:
                self._changed.wait_for(lambda: self._is_stopped or self._num_wanted > self._num_begun, self._interval_s)

    def _begin(self) -> bool:
        with self._changed:
            self._num_begun += 1
            return not self._is_stopped
