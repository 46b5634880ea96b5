"""Knows how long each phase of an engine may take. While it is not satisfied, no lease is renewed."""

from dataclasses import dataclass
from enum import Enum


class Phase(Enum):
    """What the engine thread is doing. `FIRST_STEP` covers kernels being compiled and memory being allocated."""

    IDLE = "idle"
    FIRST_STEP = "first_step"
    STEP = "step"


# Measured on two CPU cores: a VAE decode at 2048x2048 takes 8 s, a first compile 24 s; both with ample room.
LIMITS_S = {Phase.IDLE: float("inf"), Phase.FIRST_STEP: 600.0, Phase.STEP: 180.0}


@dataclass(slots=True)
class Watchdog:
    """Written by the engine thread, read by the heartbeat thread. Times are of one monotonic clock."""

    phase: Phase = Phase.IDLE
    since_s: float = 0.0

    def enter(self, phase: Phase, now_s: float) -> None:
        self.phase, self.since_s = phase, now_s

    def is_satisfied(self, now_s: float) -> bool:
        """False once the present phase has lasted longer than it may: the device hangs."""
        return now_s - self.since_s <= LIMITS_S[self.phase]
