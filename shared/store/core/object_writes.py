"""Stores whether writes to the object store succeed, which upkeep tests.

On a full disk, reads succeed and writes fail.
"""

from typing import cast

from shared.errors import ObjectStoreUnavailable
from shared.store.core.connect import Client, translated

_KEY = "gridpress:object_writes"
_SUCCESS_KEY = "gridpress:object_writes_succeed"
_KEPT_S = 60  # without upkeep nobody knows, and then nothing is said


class ObjectWrites:
    """The outcome of the last test write."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def note(self, error: str) -> None:
        """Records the outcome: `error` is '' for a success. Raises `StoreUnavailable`."""
        with translated(), self._client.pipeline() as pipeline:
            if error:
                pipeline.set(_KEY, error[:300], ex=_KEPT_S)
                pipeline.delete(_SUCCESS_KEY)
            else:
                pipeline.set(_SUCCESS_KEY, "1", ex=_KEPT_S)
                pipeline.delete(_KEY)
            pipeline.execute()

    def succeed(self) -> bool:
        """Returns whether the last test write succeeded, or none was recorded lately. Raises `StoreUnavailable`."""
        with translated():
            return not self._client.exists(_KEY)

    def state(self) -> bool | None:
        """Returns whether the last test write succeeded; None if none was recorded lately.

        Raises `StoreUnavailable`.
        """
        with translated():
            failed, succeeded = cast("list[str | None]", self._client.mget(_KEY, _SUCCESS_KEY))
        return None if failed is None and succeeded is None else failed is None

    def check(self) -> None:
        """Raises `ObjectStoreUnavailable` while writes fail, and `StoreUnavailable` when the job store does
        not answer.
        """
        with translated():
            error = cast("str | None", self._client.get(_KEY))
        if error:
            raise ObjectStoreUnavailable(f"the object store takes no writes: {error}")
