"""Corrects the clock of the scripts after the system clock of the store's server was set (see clock.lua)."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import structlog

log = structlog.get_logger()

# A process without an earlier check can't verify the time itself. It waits for a process that can: upkeep checks twice
# a second.
_PAUSE_S, _NUM_PAUSES = 0.25, 5
_FRESH_S = 1.0
_SLOW_S = 0.5
_MOST_LOOKS = 3  # most checks in a row; under load all are slow, and further checks would add load

Look = Callable[[str, int, str], Any]
Way = Literal["", "keep", "trust"]


def _machine() -> str:
    """Returns an id of this machine that changes at each boot. The boot clock restarts at 0, so its times from
    different boots can't be compared.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return uuid4().hex


_MACHINE = _machine()
_CLOCK_ID = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # it also counts while the machine is suspended


def _ticks_ms() -> int:
    return time.clock_gettime_ns(_CLOCK_ID) // 1_000_000


class SteadyClock:
    """Detects that somebody set the system clock of the store's server. For this it compares the store's clock with
    this machine's boot clock, which can't be set.

    The argument `look` is a function that runs `check_clock.lua`. It gets this machine's id, the boot clock (ms) and a
    mode (`Way`). Every method raises what `look` raises.
    """

    def __init__(self, look: Look, machine: str = _MACHINE) -> None:
        self._look = look
        self._machine = machine
        self._looked_at_s = float("-inf")

    def look(self, way: Way = "") -> bool:
        """Checks the store's clock. Returns whether the time of the clock is verified now.

        If a check took longer than 0.5 s, another one follows, up to three checks in all. If the store's clock has
        jumped, this method logs the jump and the store counts it.
        """
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
            way = ""  # a slow check mistakes its delay for a jump: the next check corrects that
        return True

    def keep(self) -> None:
        """Checks the store's clock for upkeep, which calls this twice a second. In a new store, the first call starts
        the checks.
        """
        if not self.look("keep"):
            self.settle()

    def settle(self) -> None:
        """Checks the store's clock until its time is verified. Call this after a script ended with `ClockNotVerified`.

        Waits 0.25 s after each check that can't verify the time. After five of these checks it accepts the wall clock
        of the store's server.
        """
        for _ in range(_NUM_PAUSES):
            if self.look():
                return
            time.sleep(_PAUSE_S)
        self.look("trust")

    def freshen(self) -> None:
        """Checks the store's clock, unless the last check is less than 1 s old. Call this before scripts that can't be
        repeated after `ClockNotVerified`, for example in a pipeline.
        """
        if time.monotonic() - self._looked_at_s > _FRESH_S:
            self.settle()
