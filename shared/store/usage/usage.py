"""Reads what tenants used, by day, API key and quality. Only scripts count it (count_usage.lua)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import cast

from shared.ids import TenantId
from shared.jobs.usage import Amounts
from shared.store.core.connect import Client, translated
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.record_lists import readable

_P = "gridpress:"
_SUM = "sum"
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What a tenant used on one day (UTC) with one API key and one quality. `quality` is '' for webhook messages that
    are not about a job.
    """

    tenant: TenantId
    day: date
    key_id: str
    quality: str
    amounts: Amounts


class UsageStore:
    """Reads usage. Every method raises `StoreUnavailable` when the store does not answer."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._faults = FaultCounts(client)

    def rows(self, tenant: TenantId, first: date, last: date) -> Iterator[UsageRow]:
        """Yields the rows of a tenant for the days from `first` to `last`, both included. The months are in order, and
        the rows of a month are not.
        """
        for month in _months(first, last):
            found: dict[str, str] = {}
            cursor = None
            while cursor != 0:  # HSCAN, since a month may have thousands of rows; it may return a row twice
                with translated():
                    cursor, some = self._client.hscan(_key(month, tenant), cursor or 0, count=_PAGE)
                found |= cast("dict[str, str]", some)
            found.pop(_SUM, None)

            def row_of(name: str, text: str, month: date = month) -> UsageRow:
                day, key_id, quality = name.split("|")
                return UsageRow(tenant, month.replace(day=int(day)), key_id, quality, Amounts.parse(text))

            for row in readable(self._faults, "usage", found.items(), row_of):
                if first <= row.day <= last:
                    yield row

    def tenants(self, first: date, last: date) -> list[TenantId]:
        """Returns the tenants that used something in the months of these days, in alphabetical order."""
        found: set[TenantId] = set()
        for month in _months(first, last):
            after, end = f"[{_name(month)}|", f"({_name(month)}}}"  # `}` follows `|`
            while True:
                with translated():
                    page = cast("list[str]", self._client.zrangebylex(f"{_P}usage", after, end, 0, _PAGE))
                found |= {TenantId(each.partition("|")[2]) for each in page}
                if len(page) < _PAGE:
                    break
                after = f"({page[-1]}"
        return sorted(found)

    def of_month(self, tenant: TenantId, day: date) -> Amounts:
        """Returns what the tenant used in the month of this day, so far."""
        with translated():
            text = cast("str | None", self._client.hget(_key(day, tenant), _SUM))
        return Amounts.parse(text) if text else Amounts()


def _months(first: date, last: date) -> Iterator[date]:
    """Yields the first day of each month from `first` to `last`."""
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = (month + timedelta(days=31)).replace(day=1)


def _name(month: date) -> str:
    return f"{month:%Y%m}"


def _key(month: date, tenant: TenantId) -> str:
    return f"{_P}usage:{_name(month)}:{tenant}"
