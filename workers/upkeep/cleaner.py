"""Deletes from the object store what nobody needs any more, again and again, in a thread of its own."""

import threading
from collections.abc import Callable, Sequence

import structlog

from shared.errors import ObjectStoreUnavailable, StoreUnavailable

log = structlog.get_logger()

_TICK_S = 2.0


def keep_deleting(kinds: Sequence[Callable[[], int]], stopping: threading.Event) -> None:
    """Each of `kinds` deletes a few and answers how many. An object store that hangs must not hold up the rescue."""
    while not stopping.wait(_TICK_S):
        try:
            for delete_some in kinds:
                while not stopping.is_set() and delete_some():
                    pass
        except (ObjectStoreUnavailable, StoreUnavailable) as error:
            log.warning("upkeep.not_deleted", error=str(error))
