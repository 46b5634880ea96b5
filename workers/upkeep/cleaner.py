"""Deletes unneeded objects from the object store, repeatedly, on a thread of its own."""

import threading
from collections.abc import Callable, Sequence

import structlog

from shared.errors import ObjectStoreUnavailable, StoreUnavailable
from shared.process.background import note_fault

log = structlog.get_logger()

_TICK_S = 2.0


def keep_deleting(kinds: Sequence[Callable[[], int]], stopping: threading.Event) -> None:
    """Calls `kinds` in turn until `stopping`; each deletes a few objects and returns how many.

    It has a thread of its own, so that an object store that hangs delays no rescue.
    """
    while not stopping.wait(_TICK_S):
        try:
            while not stopping.is_set() and _a_round(kinds):
                pass
        except StoreUnavailable as error:
            log.warning("upkeep.not_deleted", error=str(error))


def _a_round(kinds: Sequence[Callable[[], int]]) -> bool:
    """Calls each kind once. Returns whether anything was deleted. No kind keeps the others waiting."""
    return sum(_delete_some(kind) for kind in kinds) > 0


def _delete_some(kind: Callable[[], int]) -> int:
    """Calls one kind. After an error it is called again in the next round; the other kinds get their turn before."""
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
