"""Reads lists of records and leaves out those that are gone or unreadable, so that one bad record spoils no list."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import structlog
from pydantic import ValidationError

from shared.errors import RecordUnreadable
from shared.store.core.fault_counts import FaultCounts

log = structlog.get_logger()

Id = TypeVar("Id", bound=str)
Item = TypeVar("Item")
Row = TypeVar("Row")

# What decoding raises: a field that is missing, is of another type, is out of range.
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)
_ROUND = 100  # ids read at once where those of the page before were not enough
_MOST_ROUNDS = 50  # so many bad records in a row are no accident: the list ends there, and the log says why


def readable(
    faults: FaultCounts,
    kind: str,
    rows: Iterable[tuple[Id, Row]],
    decode: Callable[[Id, Row], Item],
    *,
    is_asked_for: bool = False,
) -> list[Item]:
    """Returns the rows that can be decoded. Any other is logged, counted as `unreadable.<kind>` and left out.

    With `is_asked_for` (the caller named the records) it raises `RecordUnreadable` instead.
    """
    found = []
    for record_id, row in rows:
        try:
            found.append(decode(record_id, row))
        except _UNREADABLE as error:
            log.error("record.unreadable", kind=kind, record_id=record_id, error=_told(error))  # noqa: TRY400  # see _told
            faults.add(f"unreadable.{kind}")
            if is_asked_for:
                raise RecordUnreadable(f"the record of {record_id} can't be read") from error
    return found


def _told(error: Exception) -> str:
    """Describes the error without values of the record and without a traceback, since both may hold a secret."""
    if isinstance(error, ValidationError):
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[:5])
    return f"{type(error).__name__}: {error}"


def filled_page(
    limit: int,
    after: Id | None,
    ids_after: Callable[[Id | None, int], Sequence[Id]],
    read: Callable[[Sequence[Id]], list[Item]],
) -> list[Item]:
    """Returns up to `limit` records after the id `after`; fewer only at the end of the list.

    `ids_after` returns a number of ids after one. `read` returns the readable records of ids; further ids are read in
    place of missing records.
    """
    found: list[Item] = []
    count = limit
    for _ in range(_MOST_ROUNDS):
        ids = ids_after(after, count)
        found += read(ids)
        if len(ids) < count or len(found) >= limit:
            return found[:limit]
        after, count = ids[-1], max(limit - len(found), _ROUND)
    log.error("list.cut_short", after=after)
    return found
