"""Defines the options that the commands of `gridpress keys` share, and opens the store that has the API keys."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from cli.options import FOLDER, setting_option
from shared.access.keys import Scope, is_tenant
from shared.access.limits import TenantLimits
from shared.ids import DEFAULT_TENANT, TenantId
from shared.settings.settings import Settings

if TYPE_CHECKING:
    from shared.store.access.keys import KeyStore

_LIMIT_HELP = {
    "connections": "Maximum of requests of the tenant that run at once; 0: the default of the service.",
    "streams": "Maximum of open event streams of the tenant; 0: the default of the service.",
    "weight": "Share of the workers, relative to a tenant of weight 1; 0: the default, 1.",
}
UNSET = {"connections": "default of the service", "streams": "default of the service", "weight": "1"}
_DEFAULT_SCOPES = (Scope.RENDER.value, Scope.READ.value)

data_option = setting_option("--data", "data_dir", type=FOLDER, help="Data folder of `gridpress up`.")


def checked_tenant(_: click.Context, __: click.Parameter, name: str | None) -> TenantId | None:
    """Returns the tenant that an option names, or None without the option. Raises `BadParameter`."""
    if name is not None and not is_tenant(name):
        raise click.BadParameter(f"{name!r} is not up to 63 of a-z 0-9 _ . - with a letter or digit first")
    return None if name is None else TenantId(name)


tenant_option = click.option(
    "--tenant",
    callback=checked_tenant,
    default=DEFAULT_TENANT,
    show_default=True,
    help="Tenant: the owner of jobs, files and limits.",
)
scope_choice = click.Choice([scope.value for scope in Scope])
scope_option = click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=scope_choice,
    default=_DEFAULT_SCOPES,
    show_default=True,
    help="What the API key permits; may be given several times: see `gridpress keys create --help`.",
)


def _most(words: str) -> str:
    return f"Maximum of {words} for the tenant; 0: no limit."


def limit_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds one option for each limit of a tenant to a click command.

    With the value 0, an option removes the limit. Without the option, the limit stays the same.
    """
    for limit in reversed(dataclasses.fields(TenantLimits)):
        words = limit.name.replace("_", " ")
        flag = f"--{limit.name.replace('_', '-')}"
        command = click.option(
            flag, limit.name, type=click.IntRange(0, 2**53), help=_LIMIT_HELP.get(limit.name, _most(words))
        )(command)
    return command


@contextmanager
def key_store(data_dir: Path) -> Iterator["KeyStore"]:
    """Opens the store with the API keys: the Redis server of the settings, or the embedded store of the data folder.

    Raises `StoreUnavailable`, and `UsageError` for a data folder that does not exist unless it was named explicitly. A
    key in a new folder by mistake would leave the service open.
    """
    settings = Settings(data_dir=data_dir)
    if not settings.redis_url and not data_dir.exists() and not _is_named("data_dir"):
        raise click.UsageError(
            f"there is no {data_dir.resolve()}, so no service has its data there: "
            "name the data folder of `gridpress up` with --data, which also creates it"
        )
    from cli.keys.recording import RecordedKeys  # noqa: PLC0415
    from cli.stack.servers.store import open_store  # noqa: PLC0415 - the store's client takes half a second to import

    with open_store(settings) as client:
        yield RecordedKeys(client, settings)


def where_stored(data_dir: Path) -> str:
    """Returns in words where the API keys are stored, without a password."""
    url = Settings(data_dir=data_dir).redis_url
    if not url:
        return f"in the data folder {data_dir.resolve()}"
    parts = urlsplit(url)
    return f"in the store {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _is_named(parameter: str) -> bool:
    context = click.get_current_context()
    return context.get_parameter_source(parameter) in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


def change_limits(store: "KeyStore", tenant: TenantId, given: dict[str, int | None]) -> None:
    """Sets the given limits of a tenant. A limit of 0 is removed; a limit of None stays the same."""
    if changes := changed_limits(given):
        store.change_limits(tenant, changes)


def changed_limits(given: dict[str, int | None]) -> dict[str, int | None]:
    """Returns the limits that the options of `limit_options` change; None for a limit that is removed."""
    return {name: value or None for name, value in given.items() if value is not None}


def limit_lines(limits: Mapping[str, int | None]) -> Iterator[str]:
    """Yields one line for each limit of a tenant."""
    for name, value in limits.items():
        yield f"{name.replace('_', ' ')}: {UNSET.get(name, 'no limit') if value is None else value}"
