"""Implements `gridpress keys`, which manages API keys and the limits of tenants.

The commands use the store directly, or the API with `--url`. The first API key is always created in the store.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import click
from click.core import ParameterSource

from cli.client import Json
from cli.keys.changes import change, revoke, rotate
from cli.keys.ensure import ensure, generate
from cli.keys.first import first_tenant
from cli.keys.options import (
    change_limits,
    data_option,
    key_store,
    limit_lines,
    limit_options,
    scope_option,
    tenant_option,
)
from cli.keys.places import KeyPlace, keys_of
from cli.keys.rights_options import fields_of_options, rights_options, service_option
from cli.keys.store_place import KeysOfStore
from cli.output.answers import print_answer, print_json, utc_option
from cli.output.tables import Cell, print_table
from cli.output.times import when
from shared.ids import TenantId


@click.group()
def keys() -> None:
    """Create, list, change, rotate and revoke API keys.

    API keys are stored in the Redis server that GRIDPRESS_REDIS_URL names, or else in the data folder. The service need
    not be running. With --url, the API manages them, with the rights of the API key in GRIDPRESS_API_KEY. Once there is
    an API key, the API rejects every request without one.
    """


for command in (ensure, generate, rotate, change, revoke):
    keys.add_command(command)


@keys.command()
@tenant_option
@scope_option
@rights_options
@limit_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the API key is in `key`.")
@service_option
@data_option
def create(
    *,
    tenant: TenantId,
    scopes: Sequence[str],
    as_json: bool,
    url: str | None,
    data_dir: Path,
    name: str | None,
    networks: list[str] | None,
    models: list[str] | None,
    expires_at: str | None,
    **limits: int | None,
) -> None:
    """Create an API key and print it. It is printed only once, because the service stores only a hash of it.

    Pictures that were made before the first API key belong to the tenant `default`. A key of this tenant sees them.
    With --url, the API key is for your own tenant unless --tenant is given.

    \b
    Scopes:
      read      see jobs, pictures and events of the tenant
      render    create and cancel jobs and batches
      admin     everything of the tenant: also API keys, dead letters, webhook endpoints and their secrets
      operator  the platform: totals over all tenants, ids of workers; with admin: their log lines, and keys of all

    \b
    Examples:
      export GRIDPRESS_API_KEY=$(gridpress keys create --tenant acme --requests-per-minute 600)
      gridpress keys create --url https://pictures.example.com --expires 30d --network 203.0.113.0/24
    """
    rights = {"name": name, "networks": networks, "models": models, "expires_at": expires_at}
    fields = fields_of_options({"scopes": scopes, **rights})
    with keys_of(url, data_dir) as place:
        made = _created(place, tenant, fields, limits)
    print_answer(made, made["key"], as_json=as_json)
    click.echo(f"API key {made['id']} of tenant {made['tenant']}, {place.where}. It is not shown again.", err=True)


def _created(place: KeyPlace, tenant: TenantId, fields: Json, limits: dict[str, int | None]) -> Json:
    if isinstance(place, KeysOfStore):
        tenant = first_tenant(place.store, tenant)
        made = place.create(tenant, fields)
        change_limits(place.store, tenant, limits)
        return made
    if any(value is not None for value in limits.values()):
        raise click.UsageError("limits of a tenant are in the store, so --url can't change them: leave it out")
    return place.create(tenant if _is_given("tenant") else None, fields)


@keys.command(name="list")
@click.option("--tenant", type=TenantId, help="Only API keys of this tenant.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@utc_option
@service_option
@data_option
def list_(*, tenant: TenantId | None, as_json: bool, utc: bool, url: str | None, data_dir: Path) -> None:
    """List API keys, newest first. Keys that were revoked or have expired are in the list as well.

    With --url, the list has the keys of your own tenant unless --tenant is given.

    \b
    Example:
      gridpress keys list
    """
    with keys_of(url, data_dir) as place:
        found = list(place.keys(tenant))
    if as_json:
        print_json(found)
        return
    columns = ("key", "tenant", "scopes", "status", "created", "last used", "expires", "restricted to", "name")
    print_table(columns, map(_cells, found), utc=utc)


def _cells(key: Json) -> tuple[Cell, ...]:
    times = (when(key[name]) for name in ("created_at", "last_used_at", "expires_at"))
    restricted = " ".join([*(key["networks"] or ()), *(key["models"] or ())])
    return key["id"], key["tenant"], " ".join(key["scopes"]), key["status"], *times, restricted, key["name"]


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
    for line in limit_lines(dataclasses.asdict(found)):
        click.echo(line)


def _is_given(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE
