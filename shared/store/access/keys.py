"""Stores API keys and the limits of tenants. It stores a digest of each key and never the key's text.

The API refuses requests without a key even after the last key is revoked. So key ids are never removed.

  gridpress:keys             zset  key ids by time of creation (ms)
  gridpress:key:<key>        hash  tenant, scopes, digest, created_ms, last_used_ms, revoked_ms
  gridpress:limits:<tenant>  hash  the tenant's limits that are set
"""

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, cast

from shared.access.keys import ApiKey, KeyId, Scope, digest, id_of, is_tenant, new_key
from shared.access.limits import TenantLimits
from shared.errors import KeyNotFound
from shared.ids import TenantId
from shared.store.core.connect import Client, translated
from shared.store.core.scripts import Scripts

_KEYS = "gridpress:keys"

Ensured = Literal["created", "unchanged", "updated", "differs", "revoked", "taken"]


class KeyStore:
    """Stores API keys and tenants' limits.

    Every method raises `StoreUnavailable` when the store does not answer.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def create(self, tenant: TenantId, scopes: Iterable[Scope]) -> tuple[ApiKey, str]:
        """Creates an API key. Returns its record and its text, which is not stored and can't be read later."""
        assert is_tenant(tenant)
        key_id, text = new_key()
        key = ApiKey(key_id, tenant, frozenset(scopes), digest(text), _now())
        with translated(), self._client.pipeline(transaction=True) as pipeline:
            pipeline.hset(_key(key_id), mapping=_fields_of(key))
            pipeline.zadd(_KEYS, {key_id: _ms(key.created_at)})
            pipeline.execute()
        return key, text

    def ensure(
        self, text: str, tenant: TenantId, scopes: Iterable[Scope], *, update: bool = False
    ) -> tuple[ApiKey, Ensured]:
        """Creates an API key with this text unless its key id exists. Returns the key as it is stored now, and the
        outcome (`Ensured`).

        With `update`, an existing key gets the given tenant and scopes. All of this is one script. So when several
        callers ask at once, one creates the key and the others find it.
        """
        assert is_tenant(tenant)
        key_id = id_of(text)
        assert key_id
        key = ApiKey(key_id, tenant, frozenset(scopes), digest(text), _now())
        pairs = [str(part) for pair in _fields_of(key).items() for part in pair]
        outcome, found = self._scripts.run("ensure_key", key_id, int(update), _ms(key.created_at), *pairs)
        return _key_of(key_id, dict(zip(found[::2], found[1::2], strict=True))), outcome

    def find(self, key_id: KeyId) -> ApiKey | None:
        """Returns the API key with this key id, even a revoked key. Returns None when there is no such key."""
        with translated():
            found = cast("Mapping[str, str]", self._client.hgetall(_key(key_id)))
        return _key_of(key_id, found) if found else None

    def all_keys(self) -> list[ApiKey]:
        """Returns all API keys that were ever created, newest first. Revoked keys have the time of their revocation."""
        with translated(), self._client.pipeline(transaction=False) as pipeline:
            ids = [KeyId(key_id) for key_id in cast("list[str]", self._client.zrevrange(_KEYS, 0, -1))]
            for key_id in ids:
                pipeline.hgetall(_key(key_id))
            return [_key_of(key_id, found) for key_id, found in zip(ids, pipeline.execute(), strict=True)]

    def has_any(self) -> bool:
        """Returns whether an API key was ever created. If so, the API refuses requests without a key."""
        with translated():
            return bool(self._client.exists(_KEYS))

    def has_jobs(self, tenant: TenantId) -> bool:
        """Returns whether the tenant has a job that was not deleted."""
        with translated():
            return bool(self._client.exists(f"gridpress:jobs:{tenant}"))

    def revoke(self, key_id: KeyId) -> ApiKey:
        """Revokes an API key for good and returns it. A second call changes nothing. Raises `KeyNotFound`."""
        key = self.find(key_id)
        if key is None:
            raise KeyNotFound(f"no API key {key_id}")
        with translated():
            self._client.hsetnx(_key(key_id), "revoked_ms", str(_ms(_now())))
        return dataclasses.replace(key, revoked_at=key.revoked_at or _now())

    def note_use(self, key_id: KeyId) -> None:
        """Stores the time at which the API key was last used, so that operators can see which keys are still in use."""
        with translated():
            self._client.hset(_key(key_id), "last_used_ms", _ms(_now()))

    def limits(self, tenant: TenantId) -> TenantLimits:
        """Returns the limits of a tenant. A limit that was never set is None, which means unlimited."""
        with translated():
            found = cast("Mapping[str, str]", self._client.hgetall(_limits(tenant)))
        return TenantLimits(**{name: int(value) for name, value in found.items()})

    def set_limits(self, tenant: TenantId, limits: TenantLimits) -> None:
        """Replaces all limits of a tenant."""
        assert is_tenant(tenant)
        given = [pair for pair in dataclasses.asdict(limits).items() if pair[1] is not None]
        self._scripts.run("set_limits", tenant, *(field for pair in given for field in pair))


def _fields_of(key: ApiKey) -> dict[Any, Any]:
    return {
        "tenant": key.tenant,
        "scopes": ",".join(sorted(key.scopes)),
        "digest": key.digest,
        "created_ms": _ms(key.created_at),
    }


def _key_of(key_id: KeyId, found: Mapping[str, str]) -> ApiKey:
    return ApiKey(
        key_id,
        TenantId(found["tenant"]),
        frozenset(Scope(scope) for scope in found["scopes"].split(",")),
        found["digest"],
        _time(found["created_ms"]),
        _time(found["last_used_ms"]) if "last_used_ms" in found else None,
        _time(found["revoked_ms"]) if "revoked_ms" in found else None,
    )


def _key(key_id: KeyId) -> str:
    return f"gridpress:key:{key_id}"


def _limits(tenant: TenantId) -> str:
    return f"gridpress:limits:{tenant}"


def _now() -> datetime:
    return datetime.now(UTC)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _time(milliseconds: str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
