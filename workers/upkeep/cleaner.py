"""Deletes from the object store what nobody needs any more, again and again, in a thread of its own."""

import threading
from collections.abc import Callable, Sequence

import structlog

from shared.background import note_fault
from shared.errors import ObjectStoreUnavailable, StoreUnavailable

log = structlog.get_logger()

_TICK_S = 2.0


def keep_deleting(kinds: Sequence[Callable[[], int]], stopping: threading.Event) -> None:
    """Each of `kinds` in turn deletes a few and says how many. An object store that hangs must not hold up rescue."""
    while not stopping.wait(_TICK_S):
        try:
            while not stopping.is_set() and _a_round(kinds):
                pass
        except (ObjectStoreUnavailable, StoreUnavailable) as error:
            log.warning("upkeep.not_deleted", error=str(error))


def _a_round(kinds: Sequence[Callable[[], int]]) -> bool:
    """Whether there was anything to delete. One kind that has much of it does not keep the others waiting."""
    return sum(_delete_some(kind) for kind in kinds) > 0


def _delete_some(kind: Callable[[], int]) -> int:
    """An unforeseen error of one kind costs the others nothing: it has its next try in the next round."""
    try:
        return kind()
    except (ObjectStoreUnavailable, StoreUnavailable):
        raise
    except Exception:  # noqa: BLE001
        note_fault("cleaner")
        return 0
