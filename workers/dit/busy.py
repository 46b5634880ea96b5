"""How much of the time that there is work for it a device spends on it. Plain Python, no tensors."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger()

_LOG_EVERY_S = 60.0


@dataclass(slots=True)
class BusyShare:
    """`device_s` beginning and denoising renders and in the VAE, up to a PIL picture; `work_s` with a render admitted.

    One thread uses it.
    """

    clock: Callable[[], float] = time.monotonic
    device_s: float = 0.0
    work_s: float = 0.0
    _seen_at_s: float | None = None
    _logged: tuple[float, float] = field(default=(0.0, 0.0))

    @contextmanager
    def device(self) -> Iterator[None]:
        """Around what the device computes."""
        began_s = self.clock()
        try:
            yield
        finally:
            self.device_s += self.clock() - began_s

    def tell(self, *, has_work: bool) -> None:
        """Between steps, and whenever there is work after there was none or the other way round."""
        now_s = self.clock()
        if self._seen_at_s is not None:
            self.work_s += now_s - self._seen_at_s
        self._seen_at_s = now_s if has_work else None
        if self.work_s - self._logged[1] >= _LOG_EVERY_S:
            self.log()

    def log(self) -> None:
        """Writes the share since the last time, beside the totals."""
        device_s, work_s = self.device_s - self._logged[0], self.work_s - self._logged[1]
        self._logged = (self.device_s, self.work_s)
        if work_s:
            totals = {"device_s": round(self.device_s, 3), "work_s": round(self.work_s, 3)}
            log.info("dit.busy", share=round(device_s / work_s, 4), **totals)
