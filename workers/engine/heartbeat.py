"""A side thread that renews leases while the engine thread computes. Between steps would be too seldom."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from shared.errors import StoreUnavailable
from shared.ids import RenderId
from shared.jobs import Lease, Progress

log = structlog.get_logger()

Beat = Callable[[Sequence[tuple[Lease, Progress]]], Mapping[RenderId, bool]]


class Heartbeat:
    """Calls `tick` every `interval_s`. The port `beat` answers, per render, whether it is still ours."""

    def __init__(
        self,
        beat: Beat,
        *,
        held: Callable[[], Sequence[tuple[Lease, Progress]]],
        revoke: Callable[[Sequence[RenderId]], None],
        is_alive: Callable[[float], bool],
        interval_s: float,
    ) -> None:
        self._beat = beat
        self._held = held
        self._revoke = revoke
        self._is_alive = is_alive
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def tick(self, now_s: float) -> None:
        """One heartbeat, unless the engine hangs: then its leases run out and others take its renders."""
        if not self._is_alive(now_s):
            log.error("engine.hangs")
            return
        try:
            still_ours = self._beat(self._held())
        except StoreUnavailable as error:
            log.warning("heartbeat.failed", error=str(error))
            return
        except Exception:  # a thread that ends here would cost the worker every render that it holds, unseen
            log.exception("heartbeat.failed")
            return
        self._revoke([render_id for render_id, is_ours in still_ours.items() if not is_ours])

    def _run(self) -> None:
        while not self._stop.is_set():
            self.tick(time.monotonic())
            self._stop.wait(self._interval_s)
