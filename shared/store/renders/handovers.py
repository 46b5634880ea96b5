"""Lists the objects that contain the saved latents of unfinished renders. An object is in the list before a worker
stores it, and until it is deleted.
"""

from collections.abc import Sequence
from typing import cast

from shared.ids import ObjectKey
from shared.store.core.connect import Client, translated
from shared.store.core.scripts import Scripts


class HandoverStore:
    """Lists objects that contain the saved latents of unfinished renders.

    Every method raises `StoreUnavailable` when the store does not answer.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def ended(self, most: int) -> Sequence[ObjectKey]:
        """Returns up to `most` objects whose deletion is due now. Each contains saved latents.

        Every call returns the same objects until `forget` is called for them.
        """
        return cast("list[ObjectKey]", self._scripts.run("ended_handovers", most))

    def put_off(self, key: ObjectKey, delay_s: float) -> None:
        """Postpones the deletion of an object by `delay_s`. Call this after a failed deletion, so that other objects
        get their turn.
        """
        self._scripts.run("put_off", "handovers", key, int(delay_s * 1000))

    def forget(self, key: ObjectKey) -> None:
        """Removes an object with saved latents from the store's list. Call this when the object is deleted."""
        with translated():
            self._client.zrem("gridpress:handovers", key)
