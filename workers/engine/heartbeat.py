"""A side thread that renews leases while the engine thread computes. Between steps would be too seldom."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from shared.background import Background, note_fault
from shared.errors import StoreUnavailable
from shared.ids import RenderId
from shared.leases import Held, Lease

log = structlog.get_logger()

Beat = Callable[[Sequence[Held]], Mapping[RenderId, bool]]
_REPORT_WAIT_S = 0.25  # a beat takes a millisecond; while the store is away the device goes on


class Heartbeat:
    """Calls `tick` every `interval_s`. The port `beat` answers, per render, whether it is still ours."""

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
        """`on_hang` ends the process: a device that hangs does not come back."""
        self._beat = beat
        self._held = held
        self._revoke = revoke
        self._is_alive = is_alive
        self._on_hang = on_hang
        self._interval_s = interval_s
        self._is_stopped = False
        self._num_wanted = self._num_begun = self._num_done = 0
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
        """Beats out of turn and waits for it, but not for long. Called from other threads."""
        with self._changed:
            self._num_wanted = wanted = self._num_begun + 1  # one under way may have looked too early
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._num_done >= wanted, _REPORT_WAIT_S)

    def tick(self, now_s: float) -> None:
        """One heartbeat, unless the engine hangs: then its leases run out and others take its renders."""
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
                self._num_done = self._num_begun
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._is_stopped or self._num_wanted > self._num_begun, self._interval_s)

    def _begin(self) -> bool:
        with self._changed:
            self._num_begun += 1
            return not self._is_stopped
