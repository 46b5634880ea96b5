"""Describes the calls of `/v1/keys`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypedDict

from pydantic_core import to_jsonable_python

from gridpress.client.calls.call import Call, as_model, escaped
from shared.access.rights import Scope
from shared.responses.keys import KeyPage, KeyResponse, KeyWithText

KEYS = "/v1/keys"

_KEY, _WITH_TEXT = as_model(KeyResponse), as_model(KeyWithText)


class KeyFields(TypedDict, total=False):
    """What an API key permits, and its name. `networks` are addresses and networks (CIDR), and `models` are names.

    None lifts a restriction. Fields that a new key's request leaves out are those of the API key that asks.
    """

    name: str
    scopes: Sequence[Scope | str]
    networks: Sequence[str] | None
    models: Sequence[str] | None
    expires_at: datetime | str | None


def create(tenant: str | None, fields: Mapping[str, object]) -> Call[KeyWithText]:
    """Creates an API key. Without a tenant it is for the caller's."""
    return Call("POST", KEYS, _WITH_TEXT, body=_json({**({"tenant": tenant} if tenant else {}), **fields}))


def keys(tenant: str | None, *, all_tenants: bool = False) -> Call[KeyPage]:
    """Reads the first page of the API keys of a tenant, of the caller's tenant, or of all tenants."""
    params = {**({"tenant": tenant} if tenant else {}), **({"all_tenants": "true"} if all_tenants else {})}
    return Call("GET", KEYS, as_model(KeyPage), params=params)


def key(key_id: str) -> Call[KeyResponse]:
    """Reads an API key, without its text."""
    return Call("GET", _path(key_id), _KEY)


def change(key_id: str, fields: Mapping[str, object]) -> Call[KeyResponse]:
    """Changes some fields of an API key."""
    return Call("PATCH", _path(key_id), _KEY, body=_json(fields))


def rotate(key_id: str, fields: Mapping[str, object]) -> Call[KeyWithText]:
    """Creates an API key in place of another one. `fields` may have `overlap_s` and `expires_at`."""
    return Call("POST", f"{_path(key_id)}/rotate", _WITH_TEXT, body=_json(fields))


def revoke(key_id: str) -> Call[KeyResponse]:
    """Revokes an API key."""
    return Call("POST", f"{_path(key_id)}/revoke", _KEY)


def _path(key_id: str) -> str:
    return f"{KEYS}/{escaped(key_id)}"


def _json(fields: Mapping[str, object]) -> object:
    return to_jsonable_python(dict(fields))
