"""Opens the store for a role, which reads and writes it."""

from importlib.metadata import version

from shared.settings.settings import Settings
from shared.store.core.connect import Client, connect
from shared.store.core.scripts import Scripts
from shared.store.core.state_version import OLDEST, VERSION, check_state


def open_store(settings: Settings) -> Client:
    """Connects to the store and marks it as a store of this release. From then on earlier releases refuse it.

    Raises `Misconfigured` and `StoreUnavailable`, as `connect` does, and then has written nothing.
    """
    client = connect(settings.redis_url, settings.durability)
    adopt_state(client)
    return client


def adopt_state(client: Client) -> None:
    """Marks the store as a store of this release. Raises `Misconfigured` for state that this release can't read."""
    if not Scripts(client).run("adopt_state", VERSION, OLDEST, version("gridpress")):
        check_state(client)
