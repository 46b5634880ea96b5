"""Builds pages of lists. A record that can't be shown is left out, so that it spoils no page."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from api.services import services
from shared.store.core.record_lists import readable

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def told_each(kind: str, items: Iterable[tuple[str, Item]], tell: Callable[[Item], Answer]) -> list[Answer]:
    """Returns what `tell` makes of each item; `items` come with their ids. One that it can't convert is logged and
    counted.
    """
    return readable(services().fault_counts, kind, items, lambda _, item: tell(item))
