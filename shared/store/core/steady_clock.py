"""Keeps the clock of the scripts steady when the store's system clock is set (see steady.lua)."""

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
_MOST_LOOKS = 3  # where all are slow, as they are at a store under load: more would be load, too

Look = Callable[[str, int, str], Any]
Way = Literal["", "keep", "trust"]


def _machine() -> str:
    """Returns an id of this boot of this machine, because its boot clock starts anew with each boot."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return uuid4().hex


_MACHINE = _machine()
_CLOCK_ID = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # it runs on while the machine sleeps


def _ticks_ms() -> int:
    return time.clock_gettime_ns(_CLOCK_ID) // 1_000_000


class SteadyClock:
    """Compares the store's clock with this machine's boot clock.

    `look` runs `look_at_clock.lua` with the machine, its clock and a `Way`. Every method raises what `look` raises.
    """

    def __init__(self, look: Look, machine: str = _MACHINE) -> None:
        self._look = look
        self._machine = machine
        self._looked_at_s = float("-inf")

    def look(self, way: Way = "") -> bool:
        """Checks the clock; returns whether the time is certain now. A jump is logged here and counted by the store."""
        for _ in range(_MOST_LOOKS):
            began_ms = _ticks_ms()
            verdict, *jump = self._look(self._machine, began_ms, way)
            if verdict == "unsure":
                return False
            self._looked_at_s = time.monotonic()
            if jump[0]:
                log.warning("store.clock_jumped", jumped_s=jump[0] / 1000)
            if _ticks_ms() - began_ms < _SLOW_S * 1000:
                break
            way = ""  # one that was long on its way takes its delay for a jump: the next one takes that back
        return True

    def keep(self) -> None:
        """Checks the clock from upkeep's loop, and starts the checks in a new store."""
        if not self.look("keep"):
            self.settle()

    def settle(self) -> None:
        """Checks the clock until the time is certain, for a script that ended with `ClockInDoubt`.

        If no check succeeds, this trusts the wall clock.
        """
        for _ in range(_NUM_PAUSES):
            if self.look():
                return
            time.sleep(_PAUSE_S)
        self.look("trust")

    def freshen(self) -> None:
        """Checks the clock unless it was checked lately, for scripts that can't be repeated, as in a pipeline."""
        if time.monotonic() - self._looked_at_s > _FRESH_S:
            self.settle()
