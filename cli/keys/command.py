"""Implements `gridpress keys`, which manages API keys and the limits of tenants.

The commands use the store directly, because the API never returns API keys.
"""

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.errors import Failure
from cli.keys.ensure import ensure, generate
from cli.keys.first import first_tenant
from cli.keys.options import (
    change_limits,
    data_option,
    key_store,
    limit_options,
    scope_option,
    tenant_option,
    where_stored,
)
from cli.output.answers import print_answer, print_json, utc_option
from cli.output.tables import print_table
from cli.output.times import in_utc
from shared.access.keys import ApiKey, KeyId, Scope
from shared.errors import KeyNotFound
from shared.ids import TenantId

if TYPE_CHECKING:
    from shared.store.access.keys import KeyStore


@click.group()
def keys() -> None:
    """Create, list and revoke API keys.

    API keys are stored in the Redis server that GRIDPRESS_REDIS_URL names, or else in the data folder. The service need
    not be running. Once there is an API key, the API rejects every request without one.
    """


keys.add_command(ensure)
keys.add_command(generate)


@keys.command()
@tenant_option
@scope_option
@limit_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the API key is in `key`.")
@data_option
def create(*, tenant: TenantId, scopes: Sequence[str], as_json: bool, data_dir: Path, **limits: int | None) -> None:
    """Create an API key and print it. It is printed only once, because the service stores only a hash of it.

    Pictures that were made before the first API key belong to the tenant `default`. A key of this tenant sees them.

    \b
    Scopes:
      read      see jobs, pictures and events of the tenant
      render    create and cancel jobs and batches
      admin     everything of the tenant: also dead letters, webhook endpoints and their secrets
      operator  the platform: totals over all tenants, ids of workers; with admin: their log lines

    \b
    Example:
      export GRIDPRESS_API_KEY=$(gridpress keys create --tenant acme --requests-per-minute 600)
    """
    with key_store(data_dir) as store:
        tenant = first_tenant(store, tenant)
        key, text = store.create(tenant, [Scope(scope) for scope in scopes])
        change_limits(store, tenant, limits)
    print_answer(_fields(key) | {"key": text}, text, as_json=as_json)
    where = where_stored(data_dir)
    click.echo(f"API key {key.key_id} of tenant {tenant}, stored {where}. It is not shown again.", err=True)


@keys.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@utc_option
@data_option
def list_(as_json: bool, utc: bool, data_dir: Path) -> None:
    """List all API keys, including revoked ones. The newest come first.

    \b
    Example:
      gridpress keys list
    """
    with key_store(data_dir) as store:
        found = store.all_keys()
    if as_json:
        print_json([_fields(key) for key in found])
        return
    rows = (
        (key.key_id, key.tenant, " ".join(sorted(key.scopes)), key.created_at, key.last_used_at, key.revoked_at)
        for key in found
    )
    print_table(("key", "tenant", "scopes", "created", "last used", "revoked"), rows, utc=utc)


@keys.command()
@click.argument("key_id", metavar="KEY_ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@data_option
def revoke(key_id: str, as_json: bool, data_dir: Path) -> None:
    """Revoke an API key for good. Every API process rejects it within seconds.

    \b
    Example:
      gridpress keys revoke x7k2m4qa
    """
    with key_store(data_dir) as store:
        try:
            key = store.revoke(_whole(store, key_id))
        except KeyNotFound as error:
            raise Failure(str(error)) from error
    print_answer(_fields(key), f"{key.key_id} revoked", as_json=as_json)


@keys.command()
@tenant_option
@limit_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON; null: no limit.")
@data_option
def limits(tenant: TenantId, as_json: bool, data_dir: Path, **given: int | None) -> None:
    """Show the limits of a tenant. Limits that are given as options are changed first.

    \b
    Example:
      gridpress keys limits --tenant acme --pixels-per-day 500000000 --queued-renders 100
    """
    with key_store(data_dir) as store:
        change_limits(store, tenant, given)
        found = store.limits(tenant)
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    for name, value in dataclasses.asdict(found).items():
        unset = 1 if name == "weight" else "no limit"
        click.echo(f"{name.replace('_', ' ')}: {unset if value is None else value}")


def _whole(store: "KeyStore", given: str) -> KeyId:
    """Returns the key id that begins with the text `given`. Raises `Failure` if several do."""
    ids = [key.key_id for key in store.all_keys() if given and key.key_id.startswith(given)]
    if len(ids) > 1:
        raise Failure(f"several keys begin with {given}: {', '.join(ids)}; give more characters of one")
    return ids[0] if ids else KeyId(given)


def _fields(key: ApiKey) -> dict[str, str | list[str] | None]:
    return {
        "id": key.key_id,
        "tenant": key.tenant,
        "scopes": sorted(key.scopes),
        "created_at": _moment(key.created_at),
        "last_used_at": _moment(key.last_used_at),
        "revoked_at": _moment(key.revoked_at),
    }


def _moment(when: datetime | None) -> str | None:
    return in_utc(when) if when else None
