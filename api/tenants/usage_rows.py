"""Adds up the usage of tenants by day, tenant, API key or quality. Knows nothing of HTTP."""

from collections import defaultdict
from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple, Self

from shared.ids import TenantId
from shared.jobs.usage import Amounts
from shared.store.usage.usage import UsageRow, UsageStore


class GroupBy(StrEnum):
    """What usage can be grouped by."""

    DAY = "day"
    TENANT = "tenant"
    KEY = "key"
    QUALITY = "quality"


class Cursor(NamedTuple):
    """The place of a row in the order of all rows: by tenant, then day, key id and quality. A part by which rows are
    not grouped is ''.
    """

    tenant: str
    day: str
    key_id: str
    quality: str

    @classmethod
    def of(cls, group: "Group") -> Self:
        return cls(group.tenant or "", str(group.day or ""), group.key_id or "", group.quality or "")

    def as_text(self) -> str:
        return "|".join(self)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parses the text of a cursor. Raises `ValueError`."""
        tenant, day, key_id, quality = text.split("|")
        return cls(tenant, day, key_id, quality)


@dataclass(frozen=True, slots=True)
class Group:
    """What was used by one group. A field by which usage is not grouped is None."""

    day: date | None
    tenant: TenantId | None
    key_id: str | None
    quality: str | None
    amounts: Amounts


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller asks for: the usage from the day `first` to the day `last`, both included.

    `tenant` is None for all tenants. `after` is the place of the last row of the page before.
    """

    tenant: TenantId | None
    first: date
    last: date
    groups: Set[GroupBy]
    after: Cursor | None = None


def rows_of(store: UsageStore, asked: Asked) -> Iterator[Group]:
    """Returns what was used by groups, in the order of `Cursor`. Raises `StoreUnavailable`.

    With one tenant, or if rows are grouped by tenant, all groups have a tenant. Then only the rows of one tenant are in
    memory at once.
    """
    first, last, groups, after = asked.first, asked.last, asked.groups, asked.after
    if asked.tenant is not None:
        return _sorted(store.rows(asked.tenant, first, last), groups | {GroupBy.TENANT}, after)
    tenants = store.tenants(first, last)
    if GroupBy.TENANT in groups:
        left = [each for each in tenants if after is None or each >= after.tenant]
        return (group for each in left for group in _sorted(store.rows(each, first, last), groups, after))
    every = (row for each in tenants for row in store.rows(each, first, last))
    return _sorted(every, groups, after)


def _sorted(rows: Iterator[UsageRow], groups: Set[GroupBy], after: Cursor | None) -> Iterator[Group]:
    sums: defaultdict[tuple[date | None, TenantId | None, str | None, str | None], Amounts] = defaultdict(Amounts)
    for row in rows:
        group = (
            row.day if GroupBy.DAY in groups else None,
            row.tenant if GroupBy.TENANT in groups else None,
            row.key_id if GroupBy.KEY in groups else None,
            row.quality if GroupBy.QUALITY in groups else None,
        )
        sums[group] += row.amounts
    found = sorted((Group(*group, amounts) for group, amounts in sums.items()), key=Cursor.of)
    return (group for group in found if after is None or Cursor.of(group) > after)
