"""Defines the quotas and rate limits of a tenant, and computes sliding-window rate limits. Does no I/O."""

import math
from dataclasses import dataclass
from typing import Literal

_TICK_S = 0.001  # the store's clock counts milliseconds; at the computed moment itself, one unit too many still counts
_SET_BACK_S = 1.0  # smaller corrections of the clock are normal for NTP
_OPEN_RETRY_S = {"connections": 2.0, "streams": 10.0}  # most requests take well under a second, streams minutes
_QUEUE_RETRY_S = 10.0  # a place in the queue becomes free when a render starts, which takes seconds to minutes


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """The limits of one tenant, over all its API keys. None means no limit. For `connections` and `streams`, None means
    the default of the service.

    `connections` limits the tenant's requests that run at once, and `streams` its open event streams.
    `pictures_per_month` and `device_seconds_per_month` are budgets (see budget.py). `stored_bytes` limits the bytes of
    its pictures, condition images and files. `weight` is not a limit but the tenant's weight in the fair share. A
    tenant of weight 3 gets three times the share of a tenant of weight 1. None means 1.
    """

    requests_per_minute: int | None = None
    pixels_per_day: int | None = None
    queued_renders: int | None = None
    concurrent_renders: int | None = None
    connections: int | None = None
    streams: int | None = None
    pictures_per_month: int | None = None
    device_seconds_per_month: int | None = None
    stored_bytes: int | None = None
    weight: int | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """The number of a tenant's renders. `queued` renders have not started. `running` renders have started but not
    ended.
    """

    queued: int
    running: int


@dataclass(frozen=True, slots=True)
class Quota:
    """A rate limit: at most `limit` units in any `window_s` seconds. `name` names the limit and its unit, such as
    pixels.
    """

    name: str
    limit: int
    window_s: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason why a request exceeds a limit. `limit` is the limit's name. `retry_after_s` is None if waiting can't
    help, for example because the request alone exceeds the limit.
    """

    limit: str
    message: str
    retry_after_s: float | None


@dataclass(frozen=True, slots=True)
class LimitUsage:
    """A tenant's use of a rate limit. `remaining` is the number of units that are free now. `reset_s` is the number of
    seconds until one more unit is free, or 0 if all are free.
    """

    quota: Quota
    remaining: int
    reset_s: float


@dataclass(frozen=True, slots=True)
class RateLimitState:
    """The state of one kind of rate limit of a tenant, without charging anything to it.

    `usage` is None for a tenant without this limit. `full_s` is the number of seconds until all units are free again,
    if no unit is used meanwhile.
    """

    window_s: int
    usage: LimitUsage | None = None
    full_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LimitDecision:
    """The decision whether a request may use units of a rate limit. `refusal` is set if the request was refused.

    `usage` is the tenant's use of the limit after the request was counted or refused.
    """

    usage: LimitUsage
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """The two counters of a sliding-window rate limit: one for the current fixed window, one for the previous one.

    The sliding window covers the current fixed window and a part of the previous one. So the use is the current count,
    plus the previous count times the fraction of the previous window that is still covered. Two counters are enough,
    however high the limit is. Source of the formula: the strategies page of the `limits` library.

    `previous_left_s` is the time until the previous window no longer counts. `current_left_s` is the time until the
    current window ends.
    """

    length_s: float
    previous: int = 0
    previous_left_s: float = 0.0
    current: int = 0
    current_left_s: float = 0.0

    @property
    def is_impossible(self) -> bool:
        """Returns whether a window would end after more than its own length, which is impossible.

        This happens after the store's clock was set back.
        """
        return max(self.previous_left_s, self.current_left_s) > self.length_s + _SET_BACK_S

    @property
    def used(self) -> int:
        return math.floor(self.previous * self.previous_left_s / self.length_s) + self.current

    def wait_s(self, cost: int, limit: int) -> float:
        """Returns the seconds until `cost` more units fit under the limit, if no other request uses units meanwhile.
        `cost` must not exceed the limit.
        """
        assert cost <= limit
        room = limit - cost
        if self.used <= room:
            return 0.0
        if self.current <= room:  # it is enough to wait for the previous window to count less
            fraction = (room - self.current + 1) / self.previous  # `used` is rounded down, so just under one more fits
            return self.previous_left_s - fraction * self.length_s + _TICK_S
        # The current window must end, and then count less and less as the previous window.
        return self.current_left_s + (1 - (room + 1) / self.current) * self.length_s + _TICK_S

    def usage(self, quota: Quota) -> LimitUsage:
        remaining = max(0, quota.limit - self.used)
        reset_s = self.wait_s(remaining + 1, quota.limit) if remaining < quota.limit else 0.0
        return LimitUsage(quota, remaining, reset_s)


def refuse_more_queued(limits: TenantLimits, num_queued: int, n: int) -> Refusal | None:
    """Returns the refusal if `n` more renders would exceed the tenant's limit of queued renders. Returns None if they
    fit.
    """
    most = limits.queued_renders
    if most is None or num_queued + n <= most:
        return None
    message = f"{num_queued} renders of this tenant are queued, the limit is {most}: {n} more would exceed it"
    return Refusal("queued_renders", message, None if n > most else _QUEUE_RETRY_S)


def refuse_more_open(name: Literal["connections", "streams"], most: int) -> Refusal:
    """Returns the refusal of a request for a tenant that has as many open requests or event streams as it may have.

    `name` is the name of the limit, and `most` its value.
    """
    what = "requests" if name == "connections" else "event streams"
    message = f"this tenant has {most} open {what}, which is its limit of {name}: close one, or wait until one ends"
    return Refusal(name, message, _OPEN_RETRY_S[name])


def refuse_more_stored(num_bytes: int, most: int, more: int) -> Refusal:
    """Returns the refusal of `more` bytes for a tenant that has stored `num_bytes` bytes and may store `most`.

    Waiting does not help: the tenant has to delete something.
    """
    what = f"this tenant has stored {num_bytes} bytes, the limit is {most}: {more} more would exceed it"
    message = f"{what}. Delete jobs or files"
    return Refusal("stored_bytes", message, None)


def never_fits(limits: TenantLimits, num_renders: int, num_pixels: int = 0) -> str:
    """Returns why a batch line alone exceeds the tenant's limits. Returns '' if it does not exceed them.

    A batch must not wait for a line that never fits, because this line would block the batch for ever.
    """
    if limits.queued_renders is not None and num_renders > limits.queued_renders:
        return f"{num_renders} renders exceed the {limits.queued_renders} that this tenant may have queued"
    if limits.pixels_per_day is not None and num_pixels > limits.pixels_per_day:
        return f"{num_pixels} pixels exceed the {limits.pixels_per_day} that this tenant may use in a day"
    if limits.pictures_per_month is not None and num_renders > limits.pictures_per_month:
        return f"{num_renders} renders exceed the {limits.pictures_per_month} that this tenant may have in a month"
    return ""
