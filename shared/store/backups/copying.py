"""Copies all keys of the store, as they are at one moment, while the service goes on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import redis
import structlog

from shared.errors import StoreUnavailable
from shared.store.backups.changes import PREFIX, Changes
from shared.store.backups.records import Record, is_copied, read_records
from shared.store.core.connect import Client, translated

log = structlog.get_logger()

_SCANNED = 1000  # keys of the store in one round trip
_FEW = 500  # changed keys that are read while writes wait
_MOST_ROUNDS = 50
_PAUSE_MS = 2000  # the longest time for which writes wait: less than a third of a lease


def copied_records(client: Client) -> Iterator[Sequence[Record]]:
    """Yields records of all keys, page by page. A later record of a key replaces an earlier one.

    All pages together are the store as it was at one moment, shortly before the end of the iteration. First every key
    is read, while the server reports each key that changes meanwhile. Then the changed keys are read again, until they
    are few. Those are read while all writes wait (`CLIENT PAUSE`), for some milliseconds. The copy is complete once
    nothing has changed in this time.

    `client` must be a client of `connect_to_copy`. Raises `StoreUnavailable`, also if the store changes faster than it
    can be copied, and `Misconfigured` if it refuses a command.
    """
    with Changes(client) as changes:
        changed: set[str] = set()
        for names in _all_names(client):
            changed |= changes.take()
            yield from _read(client, names)
        for _ in range(_MOST_ROUNDS):
            changed |= changes.take()
            if len(changed) > _FEW:
                yield from _read(client, changed)
                changed = set()
                continue
            with _paused(client):
                changed |= changes.take()
                last = list(_read(client, changed))
                changed = changes.take()
            yield from last
            if not changed:
                return
    raise StoreUnavailable("the job store changes faster than it can be copied: back up at a quieter time")


def _all_names(client: Client) -> Iterator[list[str]]:
    cursor = None
    while cursor != 0:
        with translated():
            cursor, names = client.scan(cursor or 0, match=f"{PREFIX}*", count=_SCANNED)
        yield [str(name) for name in names]


def _read(client: Client, names: "set[str] | Sequence[str]") -> Iterator[list[Record]]:
    found = [name for name in names if is_copied(name)]
    for start in range(0, len(found), _SCANNED):
        yield read_records(client, found[start : start + _SCANNED])


@contextmanager
def _paused(client: Client) -> Iterator[None]:
    """Lets the writes of all clients wait until the `with` block ends, for two seconds at most.

    A server that refuses this is copied without the pause. The copy is then complete only at a moment without writes.
    """
    try:
        with translated():
            client.client_pause(_PAUSE_MS, all=False)
    except redis.ResponseError as error:
        log.warning("backup.without_pause", error=str(error))
        yield
        return
    try:
        yield
    finally:
        with translated():
            client.client_unpause()
