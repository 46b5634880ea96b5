"""`gridpress keys`: who may use the API, and how much. Talks to the store itself: the API never hands out keys."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from cli.errors import Failure
from cli.options import FOLDER, setting_option
from cli.tables import print_table
from shared.errors import KeyNotFound
from shared.ids import DEFAULT_TENANT, TenantId
from shared.keys import ApiKey, KeyId, Scope, is_tenant
from shared.limits import TenantLimits
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.store.keys import KeyStore

_LIMIT_HELP = {"weight": "Multiple of the share of the workers that a tenant of weight 1 has; 0: as if unset."}
_DEFAULT_SCOPES = (Scope.RENDER.value, Scope.READ.value)

data_option = setting_option("--data", "data_dir", type=FOLDER, help="Folder of `gridpress up`.")


def _checked_tenant(_: click.Context, __: click.Parameter, name: str) -> TenantId:
    if not is_tenant(name):
        raise click.BadParameter(f"{name!r} is not up to 63 of a-z 0-9 _ . - with a letter or digit first")
    return TenantId(name)


tenant_option = click.option(
    "--tenant",
    callback=_checked_tenant,
    default=DEFAULT_TENANT,
    show_default=True,
    help="Whose jobs and files these are.",
)


def _most(words: str) -> str:
    return f"Most {words} of the tenant; 0: no limit."


def limit_options(command: Callable[..., None]) -> Callable[..., None]:
    """One option for each limit of a tenant; 0 lifts it, none leaves it as it is."""
    for limit in reversed(dataclasses.fields(TenantLimits)):
        words = limit.name.replace("_", " ")
        flag = f"--{limit.name.replace('_', '-')}"
        command = click.option(
            flag, limit.name, type=click.IntRange(0, 2**53), help=_LIMIT_HELP.get(limit.name, _most(words))
        )(command)
    return command


@click.group()
def keys() -> None:
    """Create, list and revoke API keys.

    They are kept in the store that GRIDPRESS_REDIS_URL names, or in that of the data folder, whether or not the service
    is running. Once a key exists, the API answers nobody without one.
    """


@keys.command()
@tenant_option
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    default=_DEFAULT_SCOPES,
    show_default=True,
    help="What the key allows; may be given several times.",
)
@limit_options
@data_option
def create(tenant: TenantId, scopes: Sequence[str], data_dir: Path, **limits: int | None) -> None:
    """Create a key and print it: this once, since only a hash of it is kept.

    \b
    Example:
      export GRIDPRESS_API_KEY=$(gridpress keys create --tenant acme --requests-per-minute 600)
    """
    with _store(data_dir) as store:
        key, text = store.create(tenant, [Scope(scope) for scope in scopes])
        _change_limits(store, tenant, limits)
    click.echo(text)
    click.echo(f"Key {key.key_id} of tenant {tenant}. It is not shown again.", err=True)


@keys.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@data_option
def list_(as_json: bool, data_dir: Path) -> None:
    """List all keys, the newest first, revoked ones too.

    \b
    Example:
      gridpress keys list
    """
    with _store(data_dir) as store:
        found = [_row(key) for key in store.all_keys()]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    table = Table("key", "tenant", "scopes", "created", "last used", "revoked")
    for row in found:
        table.add_row(*(cell if isinstance(cell, str) else " ".join(cell or ()) for cell in row.values()))
    print_table(table)


@keys.command()
@click.argument("key_id", metavar="KEY")
@data_option
def revoke(key_id: str, data_dir: Path) -> None:
    """End a key for good. Every API process refuses it within seconds.

    \b
    Example:
      gridpress keys revoke x7k2m4qa
    """
    with _store(data_dir) as store:
        try:
            key = store.revoke(KeyId(key_id))
        except KeyNotFound as error:
            raise Failure(str(error)) from error
    click.echo(f"{key.key_id} revoked")


@keys.command()
@tenant_option
@limit_options
@data_option
def limits(tenant: TenantId, data_dir: Path, **given: int | None) -> None:
    """Show the limits of a tenant, and change those that are given.

    \b
    Example:
      gridpress keys limits --tenant acme --pixels-per-day 500000000 --queued-renders 100
    """
    with _store(data_dir) as store:
        _change_limits(store, tenant, given)
        found = store.limits(tenant)
    for name, value in dataclasses.asdict(found).items():
        unset = 1 if name == "weight" else "no limit"
        click.echo(f"{name.replace('_', ' ')}: {unset if value is None else value}")


@contextmanager
def _store(data_dir: Path) -> Iterator["KeyStore"]:
    from cli.stack.store import open_store  # noqa: PLC0415 - the store's client takes half a second to import
    from shared.store.keys import KeyStore  # noqa: PLC0415

    with open_store(Settings(data_dir=data_dir)) as client:
        yield KeyStore(client)


def _change_limits(store: "KeyStore", tenant: TenantId, given: dict[str, int | None]) -> None:
    changes = {name: value or None for name, value in given.items() if value is not None}
    if changes:
        store.set_limits(tenant, dataclasses.replace(store.limits(tenant), **changes))


def _row(key: ApiKey) -> dict[str, str | list[str] | None]:
    return {
        "id": key.key_id,
        "tenant": key.tenant,
        "scopes": sorted(key.scopes),
        "created_at": _moment(key.created_at),
        "last_used_at": _moment(key.last_used_at),
        "revoked_at": _moment(key.revoked_at),
    }


def _moment(when: datetime | None) -> str | None:
    return when.isoformat(timespec="seconds").replace("+00:00", "Z") if when else None
