"""`gridpress keys ensure` and `generate`: keys whose text a Secret holds. A key's text is never on a command line."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import click

from cli.errors import Failure
from cli.keys.options import change_limits, data_option, key_store, limit_options, scope_option, tenant_option
from shared.access.keys import Scope, new_key, weakness
from shared.errors import StoreUnavailable
from shared.ids import TenantId

_VARIABLE = "GRIDPRESS_API_KEY"
_RETRY_S = 1.0
_FORM = "`gridpress keys generate` prints one of the right form"


@click.command()
@tenant_option
@scope_option
@click.option(
    "--key-file",
    type=click.File("r"),
    envvar=f"{_VARIABLE}_FILE",
    show_envvar=True,
    help=f"File that holds the key, - for stdin.  [default: the key is the value of {_VARIABLE}]",
)
@click.option("--update", is_flag=True, help="Change the tenant and scopes of a key that exists with others.")
@click.option(
    "--wait", "wait_s", type=click.FloatRange(0), default=60.0, show_default=True, help="Seconds to wait for the store."
)
@limit_options
@data_option
def ensure(*, key_file: IO[str] | None, wait_s: float, **wanted: Any) -> None:
    """Create a key with a given text, unless it exists. For deployments: any number of runs make one key.

    A key that exists with another tenant or other scopes is refused, or changed with --update. A revoked one stays
    revoked.

    \b
    Example:
      gridpress keys generate > key
      gridpress keys ensure --tenant acme --scope admin --key-file key
    """
    text = _text_of(key_file)
    deadline_s = time.monotonic() + wait_s
    while True:
        try:
            click.echo(_ensure(text, **wanted))
        except StoreUnavailable:
            if time.monotonic() + _RETRY_S > deadline_s:
                raise
            time.sleep(_RETRY_S)
        else:
            return


@click.command()
def generate() -> None:
    """Print a new key and store nothing. It counts once `gridpress keys ensure` has been run with it.

    \b
    Example:
      gridpress keys generate > key
    """
    click.echo(new_key()[1])


def _text_of(file: IO[str] | None) -> str:
    given = os.environ.get(_VARIABLE)
    if file and given:
        raise click.UsageError(f"both {_VARIABLE} and --key-file or {_VARIABLE}_FILE are given: leave one out")
    try:
        text = file.read().strip() if file else (given or "").strip()
    except UnicodeDecodeError as error:
        raise Failure(f"the key file is not text; {_FORM}") from error
    if not text:
        raise click.UsageError(f"no key: name a file with --key-file, or set {_VARIABLE}; {_FORM}")
    if fault := weakness(text):
        raise Failure(f"the key {fault}; {_FORM}")
    return text


def _ensure(
    text: str, *, tenant: TenantId, scopes: Sequence[str], update: bool, data_dir: Path, **limits: int | None
) -> str:
    """Makes the key and the limits so. Returns one line on what was done. Raises `Failure` and `StoreUnavailable`."""
    with key_store(data_dir) as store:
        key, outcome = store.ensure(text, tenant, map(Scope, scopes), update=update)
        if outcome == "revoked":
            raise Failure(f"key {key.key_id} was revoked and stays so: give another one; {_FORM}")
        if outcome == "taken":
            raise Failure(f"another key has the id {key.key_id}: give another one; {_FORM}")
        if outcome == "differs":
            found = f"key {key.key_id} exists for tenant {key.tenant} with scopes {','.join(sorted(key.scopes))}"
            raise Failure(f"{found}: give the same ones, or change it with --update")
        change_limits(store, tenant, limits)
    return f"key {key.key_id} of tenant {key.tenant}: {outcome}"
