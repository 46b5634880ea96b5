"""Deletes things, for example files or jobs, that are entries of a list in the store, one by one.

An entry whose deletion fails is postponed, so that it does not block the others.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from shared.errors import ObjectStoreUnavailable, StoreUnavailable
from shared.process.background import note_fault

_PUT_OFF_S = 60.0

Entry = TypeVar("Entry")


def delete_each(
    entries: Sequence[Entry], delete: Callable[[Entry], object], put_off: Callable[[Entry, float], object]
) -> int:
    """Calls `delete` for each entry of one of the store's lists. Returns how many entries were deleted.

    - After an unexpected error, `put_off` postpones the entry by 60 s. The error is logged and counted.
    - `ObjectStoreUnavailable` is raised, because the next entry would fail as well. Before that, the entry is moved to
      the end of the list, in case only this entry fails.
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
    except Exception:  # noqa: BLE001 - a broken entry or a bug must not block the other entries
        note_fault("cleaner")
        put_off(entry, _PUT_OFF_S)
        return False
    return True
