"""Converts API keys to the fields of a Redis hash, and back.

gridpress:key:<key>  hash  tenant, scopes, digest, created_ms; if set: name, networks, models (JSON), expires_ms,
                           last_used_ms, revoked_ms, replaced_by
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

from shared.access.keys import ApiKey, KeyId
from shared.access.rights import Rights, Scope
from shared.ids import TenantId


def fields_of_key(key: ApiKey) -> dict[str, str | int]:
    """Returns the fields of a new API key. Fields that are not set are left out."""
    rights = {name: value for name, value in fields_of_rights(key.rights).items() if value != ""}
    name = {"name": key.name} if key.name else {}
    return {"tenant": key.tenant, "digest": key.digest, "created_ms": ms_of(key.created_at), **rights, **name}


def fields_of_rights(rights: Rights) -> dict[str, str | int]:
    """Returns the fields of what an API key permits. A field that is not set has the value ''."""
    return {
        "scopes": ",".join(sorted(rights.scopes)),
        "networks": ",".join(map(str, rights.networks)),
        "models": json.dumps(rights.models) if rights.models else "",
        "expires_ms": "" if rights.expires_at is None else ms_of(rights.expires_at),
    }


def key_of(key_id: KeyId, found: Mapping[str, str]) -> ApiKey:
    """Returns the API key with these fields. Raises an error of `UNREADABLE` if it can't be read."""
    return ApiKey(
        key_id,
        TenantId(found["tenant"]),
        _rights_of(found),
        found["digest"],
        _time(found["created_ms"]),
        _optional_time(found.get("last_used_ms")),
        _optional_time(found.get("revoked_ms")),
        found.get("name", ""),
        KeyId(found["replaced_by"]) if "replaced_by" in found else None,
    )


def field_named(name: str) -> str:
    """Returns the field of the hash that has a field of `ApiKey` or `Rights`."""
    return "expires_ms" if name == "expires_at" else name


def ms_of(moment: datetime) -> int:
    """Returns a time in milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def _rights_of(found: Mapping[str, Any]) -> Rights:
    return Rights(
        frozenset(Scope(scope) for scope in found["scopes"].split(",")),
        tuple(ip_network(text) for text in found.get("networks", "").split(",") if text),
        tuple(json.loads(found.get("models", "[]"))),
        _optional_time(found.get("expires_ms")),
    )


def _optional_time(milliseconds: str | None) -> datetime | None:
    return None if milliseconds is None else _time(milliseconds)


def _time(milliseconds: str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
