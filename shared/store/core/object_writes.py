"""Stores whether writes to the object store succeed. Upkeep tests this regularly: it writes a small object.

Reading alone is no sufficient test: on a full disk, reads succeed and writes fail.
"""

from typing import cast

from shared.errors import ObjectStoreUnavailable
from shared.store.core.connect import Client, translated

_KEY = "gridpress:object_writes"
_SUCCESS_KEY = "gridpress:object_writes_succeed"
_KEPT_S = 60  # without upkeep an outcome expires after 60 s, and then counts as unknown


class ObjectWrites:
    """Stores the outcome of the last test write to the object store. An outcome expires after 60 s."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def note(self, error: str) -> None:
        """Stores the outcome of a test write to the object store. `error` is '' if the write succeeded. Raises
        `StoreUnavailable`.
        """
        with translated(), self._client.pipeline() as pipeline:
            if error:
                pipeline.set(_KEY, error[:300], ex=_KEPT_S)
                pipeline.delete(_SUCCESS_KEY)
            else:
                pipeline.set(_SUCCESS_KEY, "1", ex=_KEPT_S)
                pipeline.delete(_KEY)
            pipeline.execute()

    def succeed(self) -> bool:
        """Returns False if the last test write to the object store failed. Returns True if it succeeded, or if no
        outcome is known because it has expired.

        Raises `StoreUnavailable`.
        """
        with translated():
            return not self._client.exists(_KEY)

    def state(self) -> bool | None:
        """Returns whether the last test write to the object store succeeded, or None if no outcome is stored or it has
        expired.

        Raises `StoreUnavailable`.
        """
        with translated():
            failed, succeeded = cast("list[str | None]", self._client.mget(_KEY, _SUCCESS_KEY))
        return None if failed is None and succeeded is None else failed is None

    def check(self) -> None:
        """Raises `ObjectStoreUnavailable` if the last test write to the object store failed. Raises `StoreUnavailable`
        when the job store, which has the outcome of the test write, does not answer.
        """
        with translated():
            error = cast("str | None", self._client.get(_KEY))
        if error:
            raise ObjectStoreUnavailable(f"the object store takes no writes: {error}")
