"""Finds the API keys that a command manages: those of the store, or those that the API manages for the caller.

Both give API keys as JSON with the names of fields that the API uses.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import click
from click.core import ParameterSource

from cli.client import Client, Json
from cli.errors import Failure
from cli.keys.options import key_store, where_stored
from cli.keys.store_place import KeysOfStore
from cli.requests import in_options
from gridpress.client.calls import keys
from shared.access.keys import is_key_id
from shared.ids import TenantId

# The options that the API's names of fields stand for.
_OPTIONS = {
    "name": "--name",
    "tenant": "--tenant",
    "scopes": "--scope",
    "networks": "--network",
    "models": "--model",
    "expires_at": "--expires",
    "overlap_s": "--overlap",
}


class KeyPlace(Protocol):
    """A place with API keys. Methods raise `Failure` when a request is refused.

    `fields` are fields of requests of the API: `name`, `scopes`, `networks`, `models` and `expires_at` (RFC 3339).
    """

    where: str

    def create(self, tenant: TenantId | None, fields: Json) -> Json:
        """Creates an API key and returns it with its text in `key`. Without a tenant it is the caller's."""

    def keys(self, tenant: TenantId | None) -> Iterator[Json]:
        """Yields API keys, the newest first."""

    def change(self, key_id: str, fields: Json) -> Json:
        """Changes the fields of an API key and returns it."""

    def rotate(self, key_id: str, overlap_s: int, fields: Json) -> Json:
        """Creates an API key in place of another one. Returns it with its text in `key`."""

    def revoke(self, key_id: str) -> Json:
        """Revokes an API key and returns it."""


class KeysOfService(Client):
    """The API keys that the API at one URL manages for the API key of this command."""

    where = "by the API"

    def create(self, tenant: TenantId | None, fields: Json) -> Json:
        """Creates an API key and returns it with its text in `key`. Without a tenant it is the caller's."""
        return self._json(keys.create(tenant, fields))

    def keys(self, tenant: TenantId | None) -> Iterator[Json]:
        """Yields the API keys of a tenant, or of the caller's tenant, the newest first."""
        return self.each(keys.KEYS, **({"tenant": tenant} if tenant else {}))

    def change(self, key_id: str, fields: Json) -> Json:
        """Changes the fields of an API key and returns it."""
        return self._json(keys.change(key_id, fields))

    def rotate(self, key_id: str, overlap_s: int, fields: Json) -> Json:
        """Creates an API key in place of another one. Returns it with its text in `key`."""
        return self._json(keys.rotate(key_id, {"overlap_s": overlap_s, **fields}))

    def revoke(self, key_id: str) -> Json:
        """Revokes an API key and returns it."""
        return self._json(keys.revoke(key_id))


@contextmanager
def keys_of(url: str | None, data_dir: Path) -> Iterator[KeyPlace]:
    """Opens the API keys that a command manages: those of the API at `url`, or without a URL those of the store."""
    if url is None:
        with key_store(data_dir) as store:
            yield KeysOfStore(store, where_stored(data_dir))
        return
    if click.get_current_context().get_parameter_source("data_dir") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--data is for the store, and --url for the API: give one of them")
    with KeysOfService(url) as found, in_options(_OPTIONS):
        yield found


def whole_key_id(place: KeyPlace, given: str) -> str:
    """Returns the key id that a person means by a beginning of it, or by the text of a key's beginning (`gp_...`).

    Raises `Failure` if several begin with it.
    """
    start = given.removeprefix("gp_").rstrip("_")
    if is_key_id(start):
        return start
    ids = [str(key["id"]) for key in place.keys(None) if start and str(key["id"]).startswith(start)]
    if len(ids) > 1:
        raise Failure(f"several keys begin with {given}: {', '.join(ids)}; give more characters of one")
    return ids[0] if ids else given
