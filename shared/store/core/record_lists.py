"""Reads lists of records. Deleted or unreadable records are left out, so that one broken record never makes a whole
list fail.
"""

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

# Exceptions that decoding raises for a field that is missing, has another type or is out of range.
UNREADABLE = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)
_ROUND = 100  # ids that are read at once after the first page
_MOST_ROUNDS = 50  # after so many reads with broken records the list ends early, and the log says so


def readable(
    faults: FaultCounts,
    kind: str,
    rows: Iterable[tuple[Id, Row]],
    decode: Callable[[Id, Row], Item],
    *,
    is_strict: bool = False,
) -> list[Item]:
    """Decodes records and returns those that can be decoded. A record that can't be decoded is left out, logged, and
    counted as the fault `unreadable.<kind>`.

    `rows` has a pair of id and raw record for each record. If `is_strict` is true, the first record that can't be
    decoded raises `RecordUnreadable`. Callers set it if they asked for particular records.
    """
    found = []
    for record_id, row in rows:
        try:
            found.append(decode(record_id, row))
        except UNREADABLE as error:
            log.error("record.unreadable", kind=kind, record_id=record_id, error=_described(error))  # noqa: TRY400  # see _described
            faults.add(f"unreadable.{kind}")
            if is_strict:
                raise RecordUnreadable(f"the record of {record_id} can't be read") from error
    return found


def _described(error: Exception) -> str:
    """Describes for the log why a record can't be decoded. The description has no values of the record and no
    traceback, since both may contain a secret.
    """
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
    """Returns a page of a list: up to `limit` records after the id `after`. Only the last page of the list has fewer.

    `ids_after(id, count)` returns up to `count` ids after an id. `read(ids)` returns the readable records of these ids.
    Further ids are read in place of ids without a readable record.
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
