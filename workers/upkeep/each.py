"""Deletes what a due-list names, entry by entry. One that fails is put off, so that it keeps no other from its turn."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from shared.errors import ObjectStoreUnavailable, StoreUnavailable
from shared.process.background import note_fault

_PUT_OFF_S = 60.0

Entry = TypeVar("Entry")


def delete_each(
    entries: Sequence[Entry], delete: Callable[[Entry], object], put_off: Callable[[Entry, float], object]
) -> int:
    """Returns how many entries were deleted.

    An unexpected error is logged and counted. `ObjectStoreUnavailable` is raised, since the next entry would fail, too.
    The entry goes to the end of the list before, in case that it alone fails.
    """
    return sum(_is_deleted(entry, delete, put_off) for entry in entries)


def _is_deleted(entry: Entry, delete: Callable[[Entry], object], put_off: Callable[[Entry, float], object]) -> bool:
    try:
        delete(entry)
    except StoreUnavailable:
        raise
    except ObjectStoreUnavailable:
        put_off(entry, 0.0)
        raise
    except Exception:  # noqa: BLE001 - a broken entry, or an error of ours: neither is the others'
        note_fault("cleaner")
        put_off(entry, _PUT_OFF_S)
        return False
    return True
