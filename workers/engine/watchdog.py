"""Knows how long each phase of an engine may take. While it is not satisfied, the device hangs."""

from collections import deque
from collections.abc import Mapping
from enum import Enum


class Phase(Enum):
    """What the engine thread is doing. `FIRST_STEP` covers kernels being compiled and memory being allocated.

    `WAITING` is a step that computes nothing, for what another thread of the engine has yet to prepare.
    """

    IDLE = "idle"
    ADMISSION = "admission"
    FIRST_STEP = "first_step"
    STEP = "step"
    WAITING = "waiting"


# How much more than a step a phase may take before it counts as hanging, whatever was measured.
_ROOM: Mapping[Phase, float] = {
    Phase.IDLE: float("inf"),
    Phase.ADMISSION: 3,
    Phase.FIRST_STEP: 10,
    Phase.STEP: 1,
    Phase.WAITING: 1,
}
_NUM_MEASURED = 64  # enough to hold a prefill or a VAE decode beside plain steps


class Watchdog:
    """A step hangs once it has lasted `patience` times the longest of the last steps, and no less than `floor_s`.

    Waiting is as long as all its steps in a row: an engine that only waits again makes no progress.
    Written by the engine thread, read by the heartbeat thread. Times are of one monotonic clock.
    """

    def __init__(self, patience: float, floor_s: float) -> None:
        self._patience = patience
        self._floor_s = floor_s
        self._steps_s: deque[float] = deque(maxlen=_NUM_MEASURED)
        self._longest_s = 0.0
        self._waiting_since_s: float | None = None
        self._present = (Phase.IDLE, 0.0)  # replaced as a whole: a reader never sees a phase with another one's start

    def enter(self, phase: Phase, now_s: float) -> None:
        """The phase before ends, and if it was a step it is measured; a first step tells nothing about the others."""
        last, since_s = self._present
        if last is Phase.STEP:
            self._steps_s.append(now_s - since_s)
            self._longest_s = max(self._steps_s)
        self._present = (phase, self._began_s(phase, now_s))

    def is_satisfied(self, now_s: float) -> bool:
        """False once the present phase has lasted longer than it may."""
        phase, since_s = self._present
        return now_s - since_s <= max(_ROOM[phase] * self._floor_s, self._patience * self._longest_s)

    def _began_s(self, phase: Phase, now_s: float) -> float:
        """An admission between two waits ends neither."""
        if phase is Phase.WAITING:
            self._waiting_since_s = now_s if self._waiting_since_s is None else self._waiting_since_s
            return self._waiting_since_s
        if phase is not Phase.ADMISSION:
            self._waiting_since_s = None
        return now_s
