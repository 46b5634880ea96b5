"""Whether writes to the object store succeed, as upkeep finds out by trying. It reads well on a disk that is full."""

from typing import cast

from shared.errors import ObjectStoreUnavailable
from shared.store.connect import Client, translated

_KEY = "gridpress:object_writes"
_KEPT_S = 60  # without upkeep nobody knows, and then nothing is said


class ObjectWrites:
    """The outcome of the last try."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def note(self, error: str) -> None:
        """`error` is '' when the write succeeded. Raises `StoreUnavailable`."""
        with translated():
            if error:
                self._client.set(_KEY, error[:300], ex=_KEPT_S)
            else:
                self._client.delete(_KEY)

    def succeed(self) -> bool:
        """Raises `StoreUnavailable`."""
        with translated():
            return not self._client.exists(_KEY)

    def check(self) -> None:
        """Raises `ObjectStoreUnavailable` while writes fail, and `StoreUnavailable`."""
        with translated():
            error = cast("str | None", self._client.get(_KEY))
        if error:
            raise ObjectStoreUnavailable(f"the object store takes no writes: {error}")
