"""Renews leases on a side thread while the engine thread computes, since one step may outlast a lease."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from shared.errors import StoreUnavailable
from shared.ids import RenderId
from shared.jobs.leases import Held, Lease
from shared.process.background import Background, note_fault

log = structlog.get_logger()

Beat = Callable[[Sequence[Held]], Mapping[RenderId, bool]]


class Heartbeat:
    """Calls `tick` every `interval_s`. The port `beat` returns for each render whether its lease is still current."""

    def __init__(
        self,
        beat: Beat,
        *,
        held: Callable[[], Sequence[Held]],
        revoke: Callable[[Sequence[Lease]], None],
        is_alive: Callable[[float], bool],
        on_hang: Callable[[], None],
        interval_s: float,
    ) -> None:
        """`on_hang` ends the process, because a hung device does not recover."""
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
        """Has a heartbeat sent out of turn and returns at once: the device never waits for the store."""
        with self._changed:
            self._num_wanted = self._num_begun + 1  # one under way may have looked too early
            self._changed.notify_all()

    def tick(self, now_s: float) -> None:
        """Sends one heartbeat. If the engine hangs, it calls `on_hang` instead, so that other workers take its
        renders.
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
        except Exception:  # noqa: BLE001 - the next beat comes in time, while a pause would cost its renders
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
