"""Fills an empty store with the records of a backup."""

from collections.abc import Mapping, Sequence
from typing import cast

from shared.errors import Misconfigured
from shared.store.backups.changes import PREFIX
from shared.store.backups.records import STATE, Record, write_records
from shared.store.core.connect import Client, translated
from shared.store.core.scripts import Scripts

_BEGUN, _CUT_SHORT = 1, 2
_SCANNED = 1000


class Restoration:
    """Fills a store. Until `end`, no role can open it, so that nobody sees or changes a part of it.

    `client` must be a client of `connect_to_copy`. Every method raises `StoreUnavailable` when the store does not
    answer.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def check(self) -> None:
        """Raises `Misconfigured` for a store that is not empty. Writes nothing."""
        cursor = None
        while cursor != 0:
            with translated():
                if self._client.hexists(STATE, "restoring"):
                    return
                cursor, names = self._client.scan(cursor or 0, match=f"{PREFIX}*", count=_SCANNED)
            if names:
                raise _not_empty(str(names[0]))

    def begin(self) -> None:
        """Marks the store as one that is being restored. Removes what an earlier restore, which was cut short, has
        written.

        Raises `Misconfigured` for a store that is not empty, and has then written nothing.
        """
        begun = self._scripts.run("begin_restore")
        if begun == _CUT_SHORT:
            self._empty()
        elif begun != _BEGUN:
            raise _not_empty(str(begun))

    def write(self, records: Sequence[Record]) -> None:
        """Writes records. A later record of a key replaces an earlier one."""
        write_records(self._client, records)

    def end(self, state: Mapping[str, str]) -> None:
        """Opens the store for all roles. `state` has the fields of `gridpress:state` in the backup."""
        self._scripts.run("end_restore", *(text for pair in state.items() for text in pair))

    def _empty(self) -> None:
        cursor = None
        while cursor != 0:
            with translated():
                cursor, names = self._client.scan(cursor or 0, match=f"{PREFIX}*", count=_SCANNED)
                if found := [name for name in cast("list[str]", names) if name != STATE]:
                    self._client.unlink(*found)


def _not_empty(name: str) -> Misconfigured:
    return Misconfigured(f"the job store is not empty, it has the key {name}: a restore needs an empty store")
