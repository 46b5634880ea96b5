"""Compares the sealing keys of all processes that use one. The store has only their ids, from which no key follows."""

from shared.objects.sealing_holders import SealingHolder, fault_of
from shared.settings.settings import Settings
from shared.store.core.connect import Client
from shared.store.core.scripts import Scripts

_KEPT_MS = 60_000  # processes tell their keys every 10 s


class SealingKeys:
    """Tells the sealing keys of one process to the others."""

    def __init__(self, client: Client, role: str, settings: Settings) -> None:
        """Creates it without asking the store. Raises `Misconfigured` for an invalid sealing key."""
        self._scripts = Scripts(client)
        self._role = role
        self._settings = settings
        SealingHolder.of(role, settings)

    def fault(self, *, before_seal: bool = False) -> str | None:
        """Tells the keys of this process, and returns in one line which processes have different keys; None if none.

        With `before_seal`, processes without any key count as different too, unless they share a data folder: the API
        is about to create a key in its own.
        A process counts for a minute after it told its keys. The key in the data folder is read again at each call.
        Raises `StoreUnavailable`.
        """
        own = str(SealingHolder.of(self._role, self._settings))
        holders = map(SealingHolder.parse, self._scripts.run("tell_sealing", own, _KEPT_MS))
        return fault_of(holders, before_seal=before_seal)
