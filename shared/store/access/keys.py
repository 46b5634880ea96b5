"""Stores API keys and the limits of tenants. It stores a digest of each key and never the key's text.

The API refuses requests without a key even after the last key is revoked. So there is always at least one key id left.

  gridpress:keys             zset  key ids by time of creation (ms); see also key_index.lua
  gridpress:key:<key>        hash  see key_record.py
  gridpress:limits:<tenant>  hash  the tenant's limits that are set
"""

import dataclasses
from collections.abc import Iterable, Mapping, Set
from datetime import UTC, datetime
from typing import Literal, cast

from shared.access.keys import ApiKey, KeyId, digest, id_of, is_key_id, is_tenant, new_key
from shared.access.limits import TenantLimits
from shared.access.rights import Rights, Scope
from shared.errors import KeyEnded, KeyExists, KeyNotFound, TooManyKeys
from shared.ids import TenantId
from shared.store.access.key_record import field_named, fields_of_key, fields_of_rights, key_of, ms_of
from shared.store.core.connect import Client, translated
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.record_lists import filled_page, readable
from shared.store.core.scripts import Scripts

_KEYS = "gridpress:keys"
_PAGE = 1_000
LIMIT_NAMES = frozenset(limit.name for limit in dataclasses.fields(TenantLimits))

Ensured = Literal["created", "unchanged", "updated", "differs", "revoked", "taken"]


@dataclasses.dataclass(frozen=True, slots=True)
class Rotation:
    """The API key that a new one replaces, and the time at which it expires at the latest."""

    key: ApiKey
    ends_at: datetime


class KeyStore:
    """Stores API keys and tenants' limits.

    Every method raises `StoreUnavailable` when the store does not answer.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._scripts = Scripts(client)
        self._faults = FaultCounts(client)

    def create(self, tenant: TenantId, scopes: Iterable[Scope]) -> tuple[ApiKey, str]:
        """Creates an API key without restrictions. Returns its record and its text, which can't be read later."""
        return self.add(tenant, Rights(frozenset(scopes)))

    def add(
        self,
        tenant: TenantId,
        rights: Rights,
        *,
        name: str = "",
        most: int | None = None,
        reserved_id: str | None = None,
        rotation: Rotation | None = None,
    ) -> tuple[ApiKey, str]:
        """Creates an API key. Returns its record and its text, which is not stored and can't be read later.

        The key id follows from `reserved_id`, if that is given. With `rotation`, the new key replaces another one of
        the tenant. A tenant may have `most` keys; its oldest ended keys are deleted to make room. Raises `KeyExists` if
        there is a key with this `reserved_id`, `KeyEnded` if the key to be replaced has ended or was replaced before,
        and `TooManyKeys`.
        """
        assert is_tenant(tenant)
        key_id, text = new_key(reserved_id)
        key = ApiKey(key_id, tenant, rights, digest(text), _now(), name=name)
        old = (rotation.key.key_id, ms_of(rotation.ends_at)) if rotation else ("", "")
        pairs = [str(part) for pair in fields_of_key(key).items() for part in pair]
        outcome = self._scripts.run(
            "add_key", key_id, ms_of(key.created_at), "" if most is None else most, *old, *pairs
        )
        match outcome:
            case "taken":
                raise KeyExists(key_id)
            case "ended":
                raise KeyEnded(f"{old[0]} has ended, or another API key has replaced it")
            case "full":
                raise TooManyKeys(f"a tenant may have {most} API keys: revoke one that is not in use")
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
        key = ApiKey(key_id, tenant, Rights(frozenset(scopes)), digest(text), _now())
        pairs = [str(part) for pair in fields_of_key(key).items() for part in pair]
        outcome, found = self._scripts.run("ensure_key", key_id, int(update), ms_of(key.created_at), *pairs)
        return key_of(key_id, dict(zip(found[::2], found[1::2], strict=True))), outcome

    def find(self, key_id: KeyId) -> ApiKey | None:
        """Returns the API key with this key id, even an ended key. Returns None when there is no such key."""
        if not is_key_id(key_id):
            return None
        with translated():
            found = cast("Mapping[str, str]", self._client.hgetall(_key(key_id)))
        return key_of(key_id, found) if found else None

    def keys(self, tenant: TenantId | None, *, limit: int, after: KeyId | None = None) -> list[ApiKey]:
        """Returns a page of a tenant's API keys, newest first, also ended ones. None stands for all tenants.

        `after` is the last key id of the previous page.
        """

        def ids_after(last: KeyId | None, count: int) -> list[KeyId]:
            return list(self._scripts.run("list_keys", tenant or "", last or "", count))

        found = filled_page(limit, after, ids_after, self._read)
        return [key for key in found if tenant is None or key.tenant == tenant]

    def all_keys(self) -> list[ApiKey]:
        """Returns all API keys of all tenants, newest first. Revoked keys have the time of their revocation."""
        found: list[ApiKey] = []
        while page := self.keys(None, limit=_PAGE, after=found[-1].key_id if found else None):
            found += page
        return found

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
        self._set(key_id, {"revoked_ms": ms_of(_now())})
        key = self.find(key_id)
        if key is None:
            raise KeyNotFound(f"no API key {key_id}")
        return key

    def change(self, key_id: KeyId, wanted: ApiKey, names: Set[str]) -> ApiKey:
        """Gives an API key some fields of `wanted`, and returns the changed key.

        `names` has the names of these fields: `name` and the fields of `Rights`. Raises `KeyEnded` for a revoked or
        unknown key.
        """
        known = {**fields_of_rights(wanted.rights), "name": wanted.name}
        fields = {field: known[field] for field in map(field_named, names)}
        if not self._set(key_id, fields):
            raise KeyEnded(f"{key_id} is revoked")
        found = self.find(key_id)
        assert found
        return found

    def note_use(self, key_id: KeyId) -> None:
        """Stores the time at which the API key was last used, so that operators can see which keys are still in use."""
        self._set(key_id, {"last_used_ms": ms_of(_now())})

    def limits(self, tenant: TenantId) -> TenantLimits:
        """Returns the limits of a tenant. A limit that was never set is None.

        Limits that a newer release has set and this one does not know are left out.
        """
        with translated():
            found = cast("Mapping[str, str]", self._client.hgetall(_limits(tenant)))
        return TenantLimits(**{name: int(value) for name, value in found.items() if name in LIMIT_NAMES})

    def set_limits(self, tenant: TenantId, limits: TenantLimits) -> None:
        """Replaces all limits of a tenant."""
        assert is_tenant(tenant)
        given = [pair for pair in dataclasses.asdict(limits).items() if pair[1] is not None]
        self._scripts.run("set_limits", tenant, *(field for pair in given for field in pair))

    def change_limits(self, tenant: TenantId, changes: Mapping[str, int | None]) -> TenantLimits:
        """Sets some limits of a tenant and returns all of them. `changes` has limits by name; None removes a limit.

        Two calls at the same moment lose none of their changes.
        """
        assert is_tenant(tenant)
        assert changes.keys() <= LIMIT_NAMES
        pairs = ((name, "" if value is None else value) for name, value in changes.items())
        self._scripts.run("change_limits", tenant, *(part for pair in pairs for part in pair))
        return self.limits(tenant)

    def _set(self, key_id: KeyId, fields: Mapping[str, str | int]) -> bool:
        """Sets fields of an API key. The value '' removes a field. Returns False for a revoked or unknown key."""
        return bool(self._scripts.run("change_key", key_id, *(part for pair in fields.items() for part in pair)))

    def _read(self, key_ids: Iterable[KeyId]) -> list[ApiKey]:
        ids = list(key_ids)
        with translated(), self._client.pipeline(transaction=False) as pipeline:
            for key_id in ids:
                pipeline.hgetall(_key(key_id))
            rows = pipeline.execute()
        return readable(
            self._faults, "key", ((key_id, row) for key_id, row in zip(ids, rows, strict=True) if row), key_of
        )


def _key(key_id: KeyId) -> str:
    return f"gridpress:key:{key_id}"


def _limits(tenant: TenantId) -> str:
    return f"gridpress:limits:{tenant}"


def _now() -> datetime:
    return datetime.now(UTC)
