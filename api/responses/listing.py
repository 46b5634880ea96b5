"""Converts the records of a list to response items. A record that can't be converted is left out.

So one faulty record does not make the whole list fail.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from api.services import services
from shared.store.core.record_lists import readable

Item = TypeVar("Item")
Converted = TypeVar("Converted")


def readable_responses(
    kind: str, items: Iterable[tuple[str, Item]], convert: Callable[[Item], Converted]
) -> list[Converted]:
    """Converts the records of a list with `convert`, and returns the results. `items` are pairs of an id and a record.

    A record that can't be converted is logged, counted as a fault of this `kind`, and left out.
    """
    return readable(services().fault_counts, kind, items, lambda _, item: convert(item))
