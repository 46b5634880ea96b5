"""Compares what a tenant used in this month with its budget. Does no I/O."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from shared.access.limits import Load, Refusal, TenantLimits

BudgetName = Literal["pictures_per_month", "device_seconds_per_month"]


@dataclass(frozen=True, slots=True)
class Spent:
    """What a tenant used of its budgets in this month.

    `pictures` are the finished pictures of the month and those that wait or run. `device_ms` is the device time of the
    finished pictures, in both stages.
    """

    pictures: int = 0
    device_ms: int = 0

    @classmethod
    def of(cls, num_pictures: int, device_ms: int, load: Load) -> "Spent":
        return cls(num_pictures + load.queued + load.running, device_ms)

    @property
    def device_s(self) -> int:
        """Returns the device time in seconds, rounded up."""
        return math.ceil(self.device_ms / 1000)


def refills_at(now: datetime) -> datetime:
    """Returns the time at which budgets refill: the beginning of the next calendar month, in UTC."""
    day = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (day + timedelta(days=32)).replace(day=1)


def pictures_left(limits: TenantLimits, spent: Spent) -> tuple[float, BudgetName | Literal[""]]:
    """Returns how many pictures the budgets still allow, and the name of the budget that allows the fewest. Without a
    budget this is infinity and ''.
    """
    if limits.device_seconds_per_month is not None and spent.device_ms >= 1000 * limits.device_seconds_per_month:
        return 0, "device_seconds_per_month"
    if limits.pictures_per_month is not None:
        return limits.pictures_per_month - spent.pictures, "pictures_per_month"
    return math.inf, ""


def refuse_over_budget(limits: TenantLimits, spent: Spent, n: int, now: datetime) -> Refusal | None:
    """Returns the refusal if `n` more pictures would exceed a budget of the tenant. Returns None if they fit."""
    left, name = pictures_left(limits, spent)
    if n <= left:
        return None
    refill = refills_at(now)
    ends = f"the budget refills at {refill:%Y-%m-%d} 00:00 UTC"
    if name == "device_seconds_per_month":
        most = limits.device_seconds_per_month
        message = f"this tenant has used {spent.device_s} of its {most} device seconds of this month: {ends}"
    else:
        most = limits.pictures_per_month
        message = f"{spent.pictures} of the {most} pictures of this month are used: {n} more would exceed it; {ends}"
    is_possible = limits.pictures_per_month is None or n <= limits.pictures_per_month
    return Refusal(name, message, (refill - now).total_seconds() if is_possible else None)
