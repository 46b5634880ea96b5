"""Describes the start of a worker: what it loads, how fast, and how much time remains."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Self

from shared.jobs.states import Stage


class StartPhase(StrEnum):
    """What a worker does before it accepts work."""

    DOWNLOADING = "downloading"
    LOADING = "loading"
    WARMING_UP = "warming_up"


_WORDS = {
    StartPhase.DOWNLOADING: "downloading the model",
    StartPhase.LOADING: "loading weights",
    StartPhase.WARMING_UP: "warming up",
}


@dataclass(frozen=True, slots=True)
class StartingWorker:
    """A worker of a stage that is not ready yet. `total_bytes` is 0 if the phase has no known size."""

    stage: Stage
    phase: StartPhase
    done_bytes: int = 0
    total_bytes: int = 0
    bytes_per_s: float = 0.0

    @property
    def percent(self) -> int | None:
        """The finished part of the phase in percent, or None if its size is unknown."""
        return min(100, 100 * self.done_bytes // self.total_bytes) if self.total_bytes else None

    @property
    def left_s(self) -> float | None:
        """The seconds until the phase ends at the present rate, or None if they are unknown."""
        if not self.total_bytes or self.bytes_per_s <= 0:
            return None
        return max(0, self.total_bytes - self.done_bytes) / self.bytes_per_s

    @property
    def words(self) -> str:
        """The progress in words, such as `loading weights: 34 %, 5.1 of 14.9 GB, 1.20 GB/s, 8 s left`."""
        if self.percent is None:
            return _WORDS[self.phase]
        size = f"{self.done_bytes / 1e9:.1f} of {self.total_bytes / 1e9:.1f} GB"
        rate = f", {self.bytes_per_s / 1e9:.2f} GB/s" if self.bytes_per_s else ""
        left = f", {self.left_s:.0f} s left" if self.left_s is not None else ""
        return f"{_WORDS[self.phase]}: {self.percent} %, {size}{rate}{left}"

    def to_json(self) -> str:
        """Returns the value as JSON text. `of_json` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def of_json(cls, text: str) -> Self | None:
        """Returns the value in JSON text, or None if another release or a half-written file has no such value."""
        try:
            found = json.loads(text)
            return cls(**{**found, "stage": Stage(found["stage"]), "phase": StartPhase(found["phase"])})
        except (ValueError, TypeError, KeyError):
            return None
