"""Times for people: relative to now, until a date says more."""

from datetime import UTC, datetime, timedelta

import pytest

from cli.output.times import in_utc, relative, when

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("age", "shown"),
    [
        (timedelta(), "now"),
        (timedelta(seconds=59), "59 s ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=5), "5 h ago"),
        (timedelta(days=29), "29 d ago"),
        (timedelta(days=31), "2025-12-05"),
        (-timedelta(hours=2, minutes=30), "in 2 h"),
    ],
    ids=str,
)
def test_a_time_is_told_in_its_largest_unit(age: timedelta, shown: str) -> None:
    assert relative(NOW - age, NOW) == shown


@pytest.mark.parametrize("value", ["2026-01-05T12:00:00.000Z", "2026-01-05T13:00:00+01:00", 1767614400])
def test_both_of_the_apis_forms_are_read(value: str | int) -> None:
    assert when(value) == NOW
    assert in_utc(NOW) == "2026-01-05T12:00:00Z"
