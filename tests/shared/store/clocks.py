"""Clocks that stand still until a test moves them: no test waits for a lease to end."""

from pathlib import Path
from typing import Protocol

import pytest

from shared.store.core import scripts
from shared.store.core.connect import Client

START_MS = 1_800_000_000_000
_KEY = "test:clock_ms"
_LUA = Path(__file__).with_name("wall_clock.lua")


class Clock(Protocol):
    """Milliseconds since 1970."""

    def now_ms(self) -> int: ...

    def advance(self, seconds: float) -> None: ...


class MemoryClock:
    """For the twin."""

    def __init__(self) -> None:
        self._now_ms = START_MS

    def now_ms(self) -> int:
        return self._now_ms

    def advance(self, seconds: float) -> None:
        self._now_ms += round(seconds * 1000)


class StoreClock:
    """For the real store: its scripts read a key instead of the server's time, see `install`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        client.set(_KEY, START_MS)

    def now_ms(self) -> int:
        return int(str(self._client.get(_KEY)))

    def advance(self, seconds: float) -> None:
        self._client.incrby(_KEY, round(seconds * 1000))


def install(patch: pytest.MonkeyPatch) -> None:
    """Scripts run from here on read the test's clock, until `patch` is undone and the scripts are forgotten."""
    patch.setitem(scripts.FILES, "wall_clock", _LUA)
    forget_scripts()


def forget_scripts() -> None:
    """The next run of each puts it together again, with the clock that is installed then."""
    scripts.source.cache_clear()
