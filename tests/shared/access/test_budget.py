"""Budgets of a calendar month: what is left, and when they refill."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.access.budget import Spent, pictures_left, refills_at, refuse_over_budget
from shared.access.limits import Load, TenantLimits

NOW = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
SOME = TenantLimits(pictures_per_month=10)
BOTH = TenantLimits(pictures_per_month=10, device_seconds_per_month=100)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (NOW, datetime(2027, 1, 1, tzinfo=UTC)),
        (datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC)),
        (datetime(2028, 2, 29, 12, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC)),
        (datetime(2027, 2, 1, 1, tzinfo=timezone(timedelta(hours=2))), datetime(2027, 2, 1, tzinfo=UTC)),
    ],
)
def test_budgets_refill_with_the_month_in_utc(now: datetime, expected: datetime) -> None:
    assert refills_at(now) == expected


def test_accepted_pictures_count_before_they_are_finished() -> None:
    spent = Spent.of(4, 0, Load(queued=3, running=2))
    assert pictures_left(SOME, spent) == (1, "pictures_per_month")
    assert refuse_over_budget(SOME, spent, 1, NOW) is None
    refusal = refuse_over_budget(SOME, spent, 2, NOW)
    assert refusal
    assert (refusal.limit, refusal.retry_after_s) == ("pictures_per_month", 1800)
    assert "9 of the 10 pictures" in refusal.message
    assert "2027-01-01" in refusal.message


def test_more_pictures_than_the_whole_budget_never_fit() -> None:
    refusal = refuse_over_budget(SOME, Spent(), 11, NOW)
    assert refusal
    assert refusal.retry_after_s is None


def test_device_seconds_that_are_used_up_refuse_everything() -> None:
    assert pictures_left(BOTH, Spent(3, 99_999)) == (7, "pictures_per_month")
    assert pictures_left(BOTH, Spent(3, 100_000)) == (0, "device_seconds_per_month")
    refusal = refuse_over_budget(BOTH, Spent(3, 100_001), 1, NOW)
    assert refusal
    assert (refusal.limit, refusal.retry_after_s) == ("device_seconds_per_month", 1800)
    assert "101 of its 100 device seconds" in refusal.message


def test_without_a_budget_nothing_is_refused() -> None:
    assert pictures_left(TenantLimits(), Spent(10**9, 10**12)) == (math.inf, "")
    assert refuse_over_budget(TenantLimits(), Spent(10**9, 10**12), 10**6, NOW) is None
