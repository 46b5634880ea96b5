"""Formats points in time: as ISO 8601 in UTC, or relative to now for a person at a terminal."""

from datetime import UTC, datetime, timedelta

_UNITS = (
    (timedelta(days=1), "d"),
    (timedelta(hours=1), "h"),
    (timedelta(minutes=1), "min"),
    (timedelta(seconds=1), "s"),
)
_MOST_RELATIVE = timedelta(days=30)  # beyond that, a person needs the date


def when(value: str | float | None) -> datetime | None:
    """Converts a time of the API, which is a text (RFC 3339) or Unix seconds, to a datetime. Returns None for None."""
    if value is None:
        return None
    return datetime.fromisoformat(value) if isinstance(value, str) else datetime.fromtimestamp(value, UTC)


def in_utc(moment: datetime) -> str:
    """Returns a time in UTC with whole seconds, such as `2026-01-05T09:30:00Z`."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def relative(moment: datetime, now: datetime) -> str:
    """Returns a time relative to `now`, such as `5 min ago` or `in 2 h`. Returns the date if it is a month away."""
    distance = abs(now - moment)
    if distance >= _MOST_RELATIVE:
        return moment.astimezone(UTC).date().isoformat()
    unit, name = next(((unit, name) for unit, name in _UNITS if distance >= unit), (None, ""))
    if unit is None:
        return "now"
    text = f"{distance // unit} {name}"
    return f"{text} ago" if moment < now else f"in {text}"
