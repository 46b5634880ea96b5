"""Holds back the deletion of objects while a backup is under way. Scripts that name objects to delete check the holds
(backups.lua).
"""

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.errors import GridpressError, StoreUnavailable
from shared.store.core.connect import Client, translated
from shared.store.core.scripts import Scripts

HOLD_S = 60.0
_RENEWALS = 6  # in the length of a hold, so that a few may fail


class BackupHolds:
    """Begins, renews and ends holds. Every method raises `StoreUnavailable` when the store does not answer."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def are_there(self) -> bool:
        """Returns whether a backup is under way, so that no object may be deleted."""
        return bool(self._scripts.run("any_backup"))

    @contextmanager
    def held(self, hold_s: float = HOLD_S) -> Iterator[Callable[[], None]]:
        """Holds back the deletion of objects until the `with` block ends.

        Yields a function that raises `StoreUnavailable` if the hold has ended in between, because the store was away
        for longer than `hold_s`. Call it before the backup counts as complete. Another thread renews the hold. The hold
        of a killed process ends after `hold_s`.
        """
        backup, ended = secrets.token_hex(8), threading.Event()
        self._scripts.run("hold_backup", backup, int(hold_s * 1000), "begin")
        renewing = threading.Thread(target=self._renew, args=(backup, hold_s, ended), name="backup-hold", daemon=True)
        renewing.start()
        try:
            yield lambda: self._check(backup, hold_s)
        finally:
            ended.set()
            renewing.join()
            with translated():
                self._client.zrem("gridpress:backups", backup)

    def _check(self, backup: str, hold_s: float) -> None:
        if not self._scripts.run("hold_backup", backup, int(hold_s * 1000), "renew"):
            raise StoreUnavailable("the job store was away too long: objects of the backup may have been deleted")

    def _renew(self, backup: str, hold_s: float, ended: threading.Event) -> None:
        while not ended.wait(hold_s / _RENEWALS):
            try:
                self._check(backup, hold_s)
            except GridpressError:  # the store is away, or the hold has ended: the last check reports it
                continue
