"""Detects a hanging device by limiting how long the engine thread may stay in one phase."""

from collections import deque
from collections.abc import Mapping
from enum import Enum


class Phase(Enum):
    """What the engine thread is doing. `FIRST_STEP` includes the compilation of kernels and the allocation of memory.

    `WAITING` is a step that computes nothing, because another thread of the engine is still preparing its renders.
    """

    IDLE = "idle"
    ADMISSION = "admission"
    FIRST_STEP = "first_step"
    STEP = "step"
    WAITING = "waiting"


# The least time that a phase may take before it counts as a hang, in multiples of the watchdog's `floor_s`.
_ROOM: Mapping[Phase, float] = {
    Phase.IDLE: float("inf"),
    Phase.ADMISSION: 3,
    Phase.FIRST_STEP: 10,
    Phase.STEP: 1,
    Phase.WAITING: 1,
}
_NUM_MEASURED = 64  # the number of last steps; enough to include a prefill or a VAE decode among plain steps


class Watchdog:
    """Detects a hang. A step hangs if it lasts longer than both `floor_s` seconds and `patience` times the longest
    recent step.

    Consecutive waiting steps count as one long step, because an engine that only waits makes no progress. The engine
    thread writes the phase, and the heartbeat thread reads it. All times are of one monotonic clock.
    """

    def __init__(self, patience: float, floor_s: float) -> None:
        self._patience = patience
        self._floor_s = floor_s
        self._steps_s: deque[float] = deque(maxlen=_NUM_MEASURED)
        self._longest_s = 0.0
        self._waiting_since_s: float | None = None
        self._present = (Phase.IDLE, 0.0)  # one tuple, so that a reader never sees the start of another phase

    def enter(self, phase: Phase, now_s: float) -> None:
        """Records that `phase` begins now. If the phase before it was a step, the duration of that step is stored for
        comparison.

        The duration of a first step is not stored, because a first step takes longer than later ones.
        """
        last, since_s = self._present
        if last is Phase.STEP:
            self._steps_s.append(now_s - since_s)
            self._longest_s = max(self._steps_s)
        self._present = (phase, self._began_s(phase, now_s))

    def is_satisfied(self, now_s: float) -> bool:
        """Returns False if the engine thread's current phase (for example a step) lasts longer than it may, so that the
        device probably hangs.
        """
        phase, since_s = self._present
        return now_s - since_s <= max(_ROOM[phase] * self._floor_s, self._patience * self._longest_s)

    def _began_s(self, phase: Phase, now_s: float) -> float:
        """Returns the time at which the phase began. If only an admission interrupts a wait, the wait counts as one
        phase, which began before the admission.
        """
        if phase is Phase.WAITING:
            self._waiting_since_s = now_s if self._waiting_since_s is None else self._waiting_since_s
            return self._waiting_since_s
        if phase is not Phase.ADMISSION:
            self._waiting_since_s = None
        return now_s
