"""Goes from one page of a list to the next."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from gridpress.client.calls.call import Call

Item_co = TypeVar("Item_co", covariant=True)
AnyPage = TypeVar("AnyPage", bound="Page[Any]")


class Page(Protocol[Item_co]):
    """A page of a list. The cursor of the next page is in `next` or, as in OpenAI's format, in `last_id`."""

    @property
    def data(self) -> Sequence[Item_co]: ...

    @property
    def has_more(self) -> bool: ...


def next_call(call: Call[AnyPage], page: AnyPage) -> Call[AnyPage] | None:
    """Returns the call for the page after `page`, or None if it was the last one."""
    cursor = getattr(page, "next", None) or getattr(page, "last_id", None)
    return replace(call, params={**call.params, "after": cursor}) if page.has_more and cursor else None
