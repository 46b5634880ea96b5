"""Implements the calls about API keys and tenants of the sync client. `async_access` is its twin."""

from collections.abc import Iterator
from datetime import datetime
from typing import Unpack

from gridpress.client.calls import keys, tenants
from gridpress.client.calls.keys import KeyFields
from gridpress.client.calls.tenants import LimitFields
from gridpress.client.sync_transport import Transport
from shared.responses.keys import KeyResponse, KeyWithText
from shared.responses.limits import TenantLimitsResponse
from shared.responses.tenants import TenantResponse


class Keys:
    """The calls of `/v1/keys`, as `Client().keys`. They need the scope `admin`; for other tenants also `operator`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self, *, tenant: str | None = None, idempotency_key: str | None = None, **fields: Unpack[KeyFields]
    ) -> KeyWithText:
        """Creates an API key, and returns it with its text in `key`, which can't be read later.

        The key is for the caller's tenant unless `tenant` is given. It grants at most what your own key has. `fields`
        that are left out are as in your own key, and `scopes` are `render` and `read`. Raises `AccessDenied`. Raises
        `Conflict` with the code `key_exists` if a repeated call finds that the key was created before.
        """
        return self._transport.send(keys.create(tenant, fields), idempotency_key)

    def list(self, *, tenant: str | None = None, all_tenants: bool = False) -> Iterator[KeyResponse]:
        """Yields the API keys of a tenant, the newest first, also ended ones. The default is the caller's tenant."""
        return self._transport.pages(keys.keys(tenant, all_tenants=all_tenants))

    def get(self, key_id: str) -> KeyResponse:
        """Returns an API key, without its text. Raises `NotFound`."""
        return self._transport.send(keys.key(key_id))

    def change(self, key_id: str, **fields: Unpack[KeyFields]) -> KeyResponse:
        """Changes some fields of an API key, and returns it. Raises `Conflict` for a revoked key."""
        return self._transport.send(keys.change(key_id, fields))

    def rotate(
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
        return self._transport.send(keys.rotate(key_id, fields), idempotency_key)

    def revoke(self, key_id: str) -> KeyResponse:
        """Revokes an API key for good, and returns it. A second call changes nothing. Raises `NotFound`."""
        return self._transport.send(keys.revoke(key_id))


class Tenants:
    """The calls about tenants, as `Client().tenants`. What is left of your own limits is in `limits()`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Iterator[TenantResponse]:
        """Yields all tenants in alphabetical order. Needs the scope `operator`. Raises `AccessDenied`."""
        return self._transport.pages(tenants.tenants())

    def limits(self, tenant: str) -> TenantLimitsResponse:
        """Returns the limits that are set for a tenant. Raises `NotFound` for a tenant that is not yours."""
        return self._transport.send(tenants.limits(tenant))

    def set_limits(self, tenant: str, **changes: Unpack[LimitFields]) -> TenantLimitsResponse:
        """Changes some limits of a tenant, and returns all of them. None removes a limit.

        Needs the scopes `admin` and `operator`. Raises `AccessDenied`, and `InvalidRequest` with the invalid limits.
        """
        return self._transport.send(tenants.set_limits(tenant, changes))
