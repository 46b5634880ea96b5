"""Keeps the clock of the store's scripts steady where the store's own is set, see steady.lua. Knows no jobs."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import structlog

log = structlog.get_logger()

# Whoever has nothing to compare with lets those who have settle it: upkeep looks twice a second.
_PAUSE_S, _NUM_PAUSES = 0.25, 5
_FRESH_S = 1.0
_SLOW_S = 0.5

Look = Callable[[str, int, str], Any]
Way = Literal["", "keep", "trust"]


def _machine() -> str:
    """Names this boot of this machine, since its clock starts anew with each."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return uuid4().hex


_MACHINE = _machine()
_CLOCK_ID = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # it runs on while the machine sleeps


def _ticks_ms() -> int:
    return time.clock_gettime_ns(_CLOCK_ID) // 1_000_000


class SteadyClock:
    """`look` runs `look_at_clock` with a machine, its clock, and a way. Raises what that raises."""

    def __init__(self, look: Look, machine: str = _MACHINE) -> None:
        self._look = look
        self._machine = machine
        self._looked_at_s = float("-inf")

    def look(self, way: Way = "") -> bool:
        """Whether it is certain now what the time is. A jump is logged; the store counts it."""
        began_ms = _ticks_ms()
        verdict, *jump = self._look(self._machine, began_ms, way)
        if verdict == "unsure":
            return False
        self._looked_at_s = time.monotonic()
        if jump[0]:
            log.warning("store.clock_jumped", jumped_s=jump[0] / 1000)
        # A look that was long on its way takes its delay for a jump: the next one takes that back.
        return _ticks_ms() - began_ms < _SLOW_S * 1000 or self.look()

    def keep(self) -> None:
        """One tick of whoever looks again and again."""
        if not self.look("keep"):
            self.settle()

    def settle(self) -> None:
        """For a script that could not be sure of the time: afterwards it can."""
        for _ in range(_NUM_PAUSES):
            if self.look():
                return
            time.sleep(_PAUSE_S)
        self.look("trust")

    def freshen(self) -> None:
        """For scripts that can't be called again, as in a pipeline."""
        if time.monotonic() - self._looked_at_s > _FRESH_S:
            self.settle()
