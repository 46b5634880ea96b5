"""Gives the commands the API keys of a store: those of all tenants, with every right."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING

from cli.client import Json
from cli.errors import Failure
from cli.output.times import in_utc, when
from shared.access.keys import ApiKey, KeyId, prefix_of
from shared.access.rights import Rights, Scope
from shared.errors import KeyEnded, KeyNotFound
from shared.ids import DEFAULT_TENANT, TenantId

if TYPE_CHECKING:
    from shared.store.access.keys import KeyStore


class KeysOfStore:
    """All API keys of a store. Whoever has the store may do everything with them."""

    def __init__(self, store: "KeyStore", where: str) -> None:
        self.store = store
        self.where = f"stored {where}"

    def create(self, tenant: TenantId | None, fields: Json) -> Json:
        """Creates an API key without restrictions except those in `fields`. Returns it with its text in `key`."""
        rights = _changed(Rights(frozenset((Scope.RENDER, Scope.READ))), fields)
        return _with_text(*self.store.add(tenant or DEFAULT_TENANT, rights, name=fields.get("name", "")))

    def keys(self, tenant: TenantId | None) -> Iterator[Json]:
        """Yields the API keys of a tenant or of all, the newest first."""
        return (fields_of(key) for key in self.store.all_keys() if tenant in (None, key.tenant))

    def change(self, key_id: str, fields: Json) -> Json:
        """Changes the fields of an API key and returns it."""
        key = self._found(key_id)
        wanted = replace(key, rights=_changed(key.rights, fields), name=fields.get("name", ""))
        with _worded():
            return fields_of(self.store.change(key.key_id, wanted, fields.keys()))

    def rotate(self, key_id: str, overlap_s: int, fields: Json) -> Json:
        """Creates an API key in place of another one. Returns it with its text in `key`."""
        from shared.store.access.keys import Rotation  # noqa: PLC0415 - the store's client takes half a second to import

        key = self._found(key_id)
        rotation = Rotation(key, datetime.now(UTC) + timedelta(seconds=overlap_s))
        with _worded():
            rights = _changed(key.rights, fields)
            return _with_text(*self.store.add(key.tenant, rights, name=key.name, rotation=rotation))

    def revoke(self, key_id: str) -> Json:
        """Revokes an API key and returns it."""
        with _worded():
            return fields_of(self.store.revoke(KeyId(key_id)))

    def _found(self, key_id: str) -> ApiKey:
        found = self.store.find(KeyId(key_id))
        if found is None:
            raise Failure(f"no API key {key_id}")
        return found


def fields_of(key: ApiKey) -> dict[str, str | list[str] | None]:
    """Returns an API key as JSON, with the names of fields that the API uses."""
    return {
        "id": key.key_id,
        "tenant": key.tenant,
        "name": key.name,
        "prefix": prefix_of(key.key_id),
        "scopes": sorted(key.scopes),
        "networks": [str(network) for network in key.rights.networks] or None,
        "models": list(key.rights.models) or None,
        "status": key.status(datetime.now(UTC)),
        "created_at": in_utc(key.created_at),
        "last_used_at": _moment(key.last_used_at),
        "expires_at": _moment(key.rights.expires_at),
        "revoked_at": _moment(key.revoked_at),
        "replaced_by": key.replaced_by,
    }


def _changed(rights: Rights, fields: Json) -> Rights:
    """Returns the rights with the given fields of a request."""
    given: dict[str, object] = {}
    if "scopes" in fields:
        given["scopes"] = frozenset(Scope(scope) for scope in fields["scopes"])
    if "networks" in fields:
        given["networks"] = tuple(ip_network(text) for text in fields["networks"] or ())
    if "models" in fields:
        given["models"] = tuple(fields["models"] or ())
    if "expires_at" in fields:
        given["expires_at"] = when(fields["expires_at"])
    return replace(rights, **given)  # type: ignore[arg-type]


def _with_text(key: ApiKey, text: str) -> Json:
    return fields_of(key) | {"key": text}


@contextmanager
def _worded() -> Iterator[None]:
    try:
        yield
    except (KeyEnded, KeyNotFound) as error:
        raise Failure(str(error)) from error


def _moment(moment: datetime | None) -> str | None:
    return in_utc(moment) if moment else None
