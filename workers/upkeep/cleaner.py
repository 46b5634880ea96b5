"""Runs the functions that delete unneeded objects from the object store, on a thread of their own."""

import threading
from collections.abc import Callable, Sequence

import structlog

from shared.errors import ObjectStoreUnavailable, StoreUnavailable
from shared.process.background import note_fault

log = structlog.get_logger()

_TICK_S = 2.0


def keep_deleting(kinds: Sequence[Callable[[], int]], stopping: threading.Event) -> None:
    """Deletes unneeded objects until `stopping` is set, by calling the functions in `kinds` in turn.

    Each function deletes a few objects of one kind and returns the number of deleted objects. This loop needs a thread
    of its own. Otherwise an object store that hangs would delay the recovery of renders.
    """
    while not stopping.wait(_TICK_S):
        try:
            while not stopping.is_set() and _a_round(kinds):
                pass
        except StoreUnavailable as error:
            log.warning("upkeep.not_deleted", error=str(error))


def _a_round(kinds: Sequence[Callable[[], int]]) -> bool:
    """Calls each deleting function once, so none delays the others. Returns whether anything was deleted."""
    return sum(_delete_some(kind) for kind in kinds) > 0


def _delete_some(kind: Callable[[], int]) -> int:
    """Calls one deleting function and returns the number of objects that it deleted.

    After an error, logs the error and returns 0. The next round calls the function again.
    """
    try:
        return kind()
    except StoreUnavailable:
        raise
    except ObjectStoreUnavailable as error:
        log.warning("upkeep.not_deleted", error=str(error))
        return 0
    except Exception:  # noqa: BLE001
        note_fault("cleaner")
        return 0
