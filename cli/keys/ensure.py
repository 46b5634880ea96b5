"""Implements `gridpress keys ensure` and `gridpress keys generate`, for deployments that keep API keys in a Secret.

The text of an API key is never an argument of the command line.
"""

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
    help=f"File with the API key, - for stdin.  [default: the value of {_VARIABLE} is the API key]",
)
@click.option("--update", is_flag=True, help="Change the tenant and scopes of an API key that exists with other ones.")
@click.option(
    "--wait", "wait_s", type=click.FloatRange(0), default=60.0, show_default=True, help="Seconds to wait for the store."
)
@limit_options
@data_option
def ensure(*, key_file: IO[str] | None, wait_s: float, **wanted: Any) -> None:
    """Store an API key whose text is given, unless it is already stored. Deployments can repeat this command.

    The text comes from a file or from GRIDPRESS_API_KEY. If the API key is stored with another tenant or other scopes,
    the command fails. With --update, it changes them instead. A revoked API key stays revoked.

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
    """Print a new API key without storing it. It is valid once `gridpress keys ensure` has stored it.

    \b
    Example:
      gridpress keys generate > key
    """
    click.echo(new_key()[1])


def _text_of(file: IO[str] | None) -> str:
    given = os.environ.get(_VARIABLE)
    if file and given:
        raise click.UsageError(f"both {_VARIABLE} and --key-file or {_VARIABLE}_FILE are given: use only one of them")
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
    """Stores or updates an API key and sets the limits of its tenant. Returns a line to print.

    Raises `StoreUnavailable`, and `Failure` when the API key is revoked or differs from a stored one with the same id.
    """
    with key_store(data_dir) as store:
        key, outcome = store.ensure(text, tenant, map(Scope, scopes), update=update)
        if outcome == "revoked":
            raise Failure(f"key {key.key_id} was revoked and stays revoked: give another key; {_FORM}")
        if outcome == "taken":
            raise Failure(f"another key has the id {key.key_id}: give another key; {_FORM}")
        if outcome == "differs":
            found = f"key {key.key_id} exists for tenant {key.tenant} with scopes {','.join(sorted(key.scopes))}"
            raise Failure(f"{found}: give the same ones, or add --update to change them")
        change_limits(store, tenant, limits)
    return f"key {key.key_id} of tenant {key.tenant}: {outcome}"
