"""Stores how long the jobs and batches of a tenant are kept after their end."""

from typing import cast

from shared.ids import TenantId
from shared.store.core.connect import Client, translated


class RetentionStore:
    """Stores each tenant's default of `delete_after_s`. Every method raises `StoreUnavailable` when the store does not
    answer.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def delete_after_s(self, tenant: TenantId) -> int | None:
        """Returns the seconds from the end of a job or batch to its deletion, for those without a `delete_after_s` of
        their own. Returns None if the tenant has no default: such jobs and batches are not deleted by themselves.
        """
        with translated():
            found = cast("str | None", self._client.get(_key(tenant)))
        return int(found) // 1000 if found else None

    def set_delete_after_s(self, tenant: TenantId, seconds: int | None) -> None:
        """Replaces the tenant's default; None removes it. Jobs and batches that exist already keep theirs."""
        with translated():
            if seconds is None:
                self._client.delete(_key(tenant))
            else:
                self._client.set(_key(tenant), seconds * 1000)


def _key(tenant: TenantId) -> str:
    return f"gridpress:delete_after:{tenant}"
