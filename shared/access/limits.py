"""What a tenant may use, and the arithmetic of sliding windows. Nothing here does I/O."""

import math
from dataclasses import dataclass

_TICK_S = 0.001  # the store's clock counts milliseconds; at the very moment itself one unit too many still counts
_SET_BACK_S = 1.0  # less may be the work of a time server
_QUEUE_RETRY_S = 10.0  # a queue moves by whole renders, which take seconds to minutes


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """All of one tenant, whatever key it uses; None is no limit.

    `weight` is none: a tenant of weight 3 gets three times the share of one with 1, which is what None means.
    """

    requests_per_minute: int | None = None
    pixels_per_day: int | None = None
    queued_renders: int | None = None
    concurrent_renders: int | None = None
    weight: int | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """Renders of one tenant: `queued` are not begun, `running` are begun and not final."""

    queued: int
    running: int


@dataclass(frozen=True, slots=True)
class Quota:
    """So many units in any `window_s` seconds. `name` is also the unit."""

    name: str
    limit: int
    window_s: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request must wait. `retry_after_s` is None when no wait can help: it asks for more than the whole quota."""

    limit: str
    message: str
    retry_after_s: float | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a tenant stands in a quota. `reset_s` is the time until more is free than now, 0 when all is."""

    quota: Quota
    remaining: int
    reset_s: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one request for units: where the tenant stands afterwards, and the refusal if there is one."""

    standing: Standing
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """A sliding window counter: the last whole window counts by the part of it that still lies in the sliding one.

    Two counters a quota, whatever the limit. Source of the formula: the strategies page of the `limits` library.
    `previous_left_s` and `current_left_s` are the times until each stops counting in full.
    """

    length_s: float
    previous: int = 0
    previous_left_s: float = 0.0
    current: int = 0
    current_left_s: float = 0.0

    @property
    def is_impossible(self) -> bool:
        """Whether a counter would count for longer than any can: the store's clock was set back since."""
        return max(self.previous_left_s, self.current_left_s) > self.length_s + _SET_BACK_S

    @property
    def used(self) -> int:
        return math.floor(self.previous * self.previous_left_s / self.length_s) + self.current

    def wait_s(self, cost: int, limit: int) -> float:
        """Seconds until `cost` (at most `limit`) fits, if nobody else uses any."""
        assert cost <= limit
        room = limit - cost
        if self.used <= room:
            return 0.0
        if self.current <= room:  # it is enough that the previous window goes on fading
            fraction = (room - self.current + 1) / self.previous  # `used` counts whole units: one more may be begun
            return self.previous_left_s - fraction * self.length_s + _TICK_S
        # The current window has to end, and then to fade as the previous one.
        return self.current_left_s + (1 - (room + 1) / self.current) * self.length_s + _TICK_S

    def standing(self, quota: Quota) -> Standing:
        remaining = max(0, quota.limit - self.used)
        reset_s = self.wait_s(remaining + 1, quota.limit) if remaining < quota.limit else 0.0
        return Standing(quota, remaining, reset_s)


def refuse_more_queued(limits: TenantLimits, num_queued: int, n: int) -> Refusal | None:
    """Whether `n` more renders may wait beside those that wait already."""
    most = limits.queued_renders
    if most is None or num_queued + n <= most:
        return None
    message = f"{num_queued} of at most {most} renders of this tenant wait already; {n} more would be too many"
    return Refusal("queued_renders", message, None if n > most else _QUEUE_RETRY_S)


def never_fits(limits: TenantLimits, num_renders: int, num_pixels: int = 0) -> str:
    """Returns why a line exceeds the tenant's limits on its own; '' if it doesn't. Waiting for it would block the
    batch.
    """
    if limits.queued_renders is not None and num_renders > limits.queued_renders:
        return f"{num_renders} renders are more than the {limits.queued_renders} that this tenant may have queued"
    if limits.pixels_per_day is not None and num_pixels > limits.pixels_per_day:
        return f"{num_pixels} pixels are more than the {limits.pixels_per_day} a day that this tenant may use"
    return ""
