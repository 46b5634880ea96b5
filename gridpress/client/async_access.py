"""Implements the calls about API keys and tenants of the async client. Its methods are those of `access`."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Unpack

from gridpress.client.async_transport import AsyncTransport
from gridpress.client.calls import keys, tenants
from gridpress.client.calls.keys import KeyFields
from gridpress.client.calls.tenants import LimitFields
from shared.responses.keys import KeyResponse, KeyWithText
from shared.responses.limits import TenantLimitsResponse
from shared.responses.tenants import TenantResponse


class AsyncKeys:
    """The calls of `/v1/keys`, as `AsyncClient().keys`. They need the scope `admin`; for others also `operator`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self, *, tenant: str | None = None, idempotency_key: str | None = None, **fields: Unpack[KeyFields]
    ) -> KeyWithText:
        """Creates an API key, and returns it with its text in `key`, which can't be read later.

        The key is for the caller's tenant unless `tenant` is given. It grants at most what your own key has. `fields`
        that are left out are as in your own key, and `scopes` are `render` and `read`. Raises `AccessDenied`. Raises
        `Conflict` with the code `key_exists` if a repeated call finds that the key was created before.
        """
        return await self._transport.send(keys.create(tenant, fields), idempotency_key)

    def list(self, *, tenant: str | None = None, all_tenants: bool = False) -> AsyncIterator[KeyResponse]:
        """Yields the API keys of a tenant, the newest first, also ended ones. The default is the caller's tenant."""
        return self._transport.pages(keys.keys(tenant, all_tenants=all_tenants))

    async def get(self, key_id: str) -> KeyResponse:
        """Returns an API key, without its text. Raises `NotFound`."""
        return await self._transport.send(keys.key(key_id))

    async def change(self, key_id: str, **fields: Unpack[KeyFields]) -> KeyResponse:
        """Changes some fields of an API key, and returns it. Raises `Conflict` for a revoked key."""
        return await self._transport.send(keys.change(key_id, fields))

    async def rotate(
        self,
        key_id: str,
        *,
        overlap_s: int | None = None,
        expires_at: datetime | str | None = None,
        idempotency_key: str | None = None,
    ) -> KeyWithText:
        """Creates an API key with the same rights in place of another one, and returns it with its text in `key`.

        The old key still works for `overlap_s` seconds, by default a day. The new key ends when the old one would have,
        unless `expires_at` is given. Raises `Conflict` if the old key has ended or was replaced.
        """
        given = {"overlap_s": overlap_s, "expires_at": expires_at}
        fields = {name: value for name, value in given.items() if value is not None}
        return await self._transport.send(keys.rotate(key_id, fields), idempotency_key)

    async def revoke(self, key_id: str) -> KeyResponse:
        """Revokes an API key for good, and returns it. A second call changes nothing. Raises `NotFound`."""
        return await self._transport.send(keys.revoke(key_id))


class AsyncTenants:
    """The calls about tenants, as `AsyncClient().tenants`. What is left of your own limits is in `limits()`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(self) -> AsyncIterator[TenantResponse]:
        """Yields all tenants in alphabetical order. Needs the scope `operator`. Raises `AccessDenied`."""
        return self._transport.pages(tenants.tenants())

    async def limits(self, tenant: str) -> TenantLimitsResponse:
        """Returns the limits that are set for a tenant. Raises `NotFound` for a tenant that is not yours."""
        return await self._transport.send(tenants.limits(tenant))

    async def set_limits(self, tenant: str, **changes: Unpack[LimitFields]) -> TenantLimitsResponse:
        """Changes some limits of a tenant, and returns all of them. None removes a limit.

        Needs the scopes `admin` and `operator`. Raises `AccessDenied`, and `InvalidRequest` with the invalid limits.
        """
        return await self._transport.send(tenants.set_limits(tenant, changes))
