"""Which objects hold latents of unfinished renders, and until when. Each is named until it is deleted."""

from collections.abc import Sequence
from typing import cast

from shared.ids import ObjectKey
from shared.store.core.connect import Client, translated
from shared.store.core.scripts import Scripts


class HandoverStore:
    """Every method raises `StoreUnavailable` when the store does not answer."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def ended(self, most: int) -> Sequence[ObjectKey]:
        """Returns objects to delete now; the same again until `forget`."""
        return cast("list[ObjectKey]", self._scripts.run("ended_handovers", most))

    def put_off(self, key: ObjectKey, delay_s: float) -> None:
        """Lets those behind it come first: it could not be deleted."""
        self._scripts.run("put_off", "handovers", key, int(delay_s * 1000))

    def forget(self, key: ObjectKey) -> None:
        """The object is gone."""
        with translated():
            self._client.zrem("gridpress:handovers", key)
