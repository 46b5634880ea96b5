"""Measures for which share of the time the device computes, while there is work for the device. Plain Python, no
tensors.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger()

_LOG_EVERY_S = 60.0


@dataclass(slots=True)
class BusyShare:
    """Sums up two times: `device_s`, the seconds in which the device computes, and `work_s`, the seconds in which the
    engine has at least one render.

    The device computes when it begins or denoises a render, and when the VAE decodes a picture up to the PIL image.
    Only one thread may use an instance.
    """

    clock: Callable[[], float] = time.monotonic
    device_s: float = 0.0
    work_s: float = 0.0
    _seen_at_s: float | None = None
    _logged: tuple[float, float] = field(default=(0.0, 0.0))

    @contextmanager
    def device(self) -> Iterator[None]:
        """Measures time in which the device computes: adds the duration of the `with` statement's body to the seconds
        `device_s`.
        """
        began_s = self.clock()
        try:
            yield
        finally:
            self.device_s += self.clock() - began_s

    def note_state(self, *, has_work: bool) -> None:
        """Records whether the engine has work from now on (`has_work`). If the engine had work before this call, the
        time since the previous call is added to `work_s`.

        Call this between steps, when the first render arrives, and when the last one leaves. After each minute of work
        it logs the share of `work_s` in which the device computed.
        """
        now_s = self.clock()
        if self._seen_at_s is not None:
            self.work_s += now_s - self._seen_at_s
        self._seen_at_s = now_s if has_work else None
        if self.work_s - self._logged[1] >= _LOG_EVERY_S:
            self.log()

    def log(self) -> None:
        """Logs for which share of its working time the device computed since the last log line, and the totals since
        the start.
        """
        device_s, work_s = self.device_s - self._logged[0], self.work_s - self._logged[1]
        self._logged = (self.device_s, self.work_s)
        if work_s:
            totals = {"device_s": round(self.device_s, 3), "work_s": round(self.work_s, 3)}
            log.info("dit.busy", share=round(device_s / work_s, 4), **totals)
