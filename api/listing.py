"""Pages of lists as they are answered: a record that can't be told is left out, and spoils nothing for the others."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from api.services import services
from shared.store.record_lists import readable

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def told_each(kind: str, items: Iterable[tuple[str, Item]], tell: Callable[[Item], Answer]) -> list[Answer]:
    """`items` come with their ids. What `tell` can't tell is logged and counted, as an unreadable record is."""
    return readable(services().fault_counts, kind, items, lambda _, item: tell(item))
