"""Writes a small test object regularly, so that upkeep finds a full object store before a render needs it."""

import secrets
import threading

import structlog

from shared.errors import GridpressError, StoreUnavailable
from shared.ids import ObjectKey
from shared.objects.store import ObjectStore
from shared.store.core.object_writes import ObjectWrites

log = structlog.get_logger()

_EVERY_S = 10.0
_EVERY_WHILE_FAILING_S = 2.0
_NUM_BYTES = 4096  # one block of a disk
KEY = ObjectKey("upkeep/canary")


def keep_writing(objects: ObjectStore, writes: ObjectWrites, stopping: threading.Event) -> None:
    """Writes the test object every 10 s, or every 2 s after a failure, until `stopping` is set.

    This loop needs its own thread, since an object store may hang.
    """
    error = ""
    while not stopping.wait(_EVERY_WHILE_FAILING_S if error else _EVERY_S):
        error = write_once(objects, writes, error)


def write_once(objects: ObjectStore, writes: ObjectWrites, before: str = "") -> str:
    """Writes the test object once and records in the store whether the write succeeded.

    Returns the error, or '' after a success. `before` is the error of the previous write; only a change is logged.
    """
    error = _error_of_write(objects)
    if error and not before:
        log.error("object_store.takes_no_writes", error=error)
    elif before and not error:
        log.info("object_store.takes_writes_again")
    try:
        writes.note(error)
    except StoreUnavailable as away:
        log.warning("upkeep.canary_not_noted", error=str(away))
    return error


def _error_of_write(objects: ObjectStore) -> str:
    try:
        objects.put(KEY, secrets.token_bytes(_NUM_BYTES), "application/octet-stream")
    except GridpressError as error:
        return str(error)
    except Exception as error:  # recorded as the outcome; otherwise the last outcome would stay in the store
        log.exception("upkeep.canary_failed")
        return type(error).__name__
    return ""
