"""Implements `gridpress keys rotate`, `change` and `revoke`."""

from collections.abc import Sequence
from pathlib import Path

import click

from cli.keys.options import data_option
from cli.keys.places import keys_of, whole_key_id
from cli.keys.rights_options import (
    changed_scopes_option,
    expires_option,
    fields_of_options,
    overlap_option,
    rights_options,
    service_option,
)
from cli.output.answers import print_answer, shown_time

_key_argument = click.argument("key_id", metavar="KEY_ID")
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@_key_argument
@overlap_option
@expires_option
@_json_option
@service_option
@data_option
def rotate(
    *, key_id: str, overlap_s: int, expires_at: str | None, as_json: bool, url: str | None, data_dir: Path
) -> None:
    """Create an API key in place of another one and print it. The old one still works for a while.

    The new API key has the rights of the old one, and ends when the old one would have, unless --expires is given.

    \b
    Example:
      gridpress keys rotate x7k2m4qa --overlap 12h
    """
    with keys_of(url, data_dir) as place:
        old_id = whole_key_id(place, key_id)
        made = place.rotate(old_id, overlap_s, fields_of_options({"expires_at": expires_at}))
    print_answer(made, made["key"], as_json=as_json)
    click.echo(f"API key {made['id']} of tenant {made['tenant']} replaces {old_id}. It is not shown again.", err=True)


@click.command()
@_key_argument
@changed_scopes_option
@rights_options
@_json_option
@service_option
@data_option
def change(
    *, key_id: str, scopes: Sequence[str], as_json: bool, url: str | None, data_dir: Path, **rights: object
) -> None:
    """Change what an API key permits, when it ends, or its name. What you leave out stays.

    \b
    Examples:
      gridpress keys change x7k2m4qa --network 203.0.113.0/24 --expires 30d
      gridpress keys change x7k2m4qa --scope admin --scope operator
    """
    fields = fields_of_options({"scopes": scopes, **rights})
    if not fields:
        raise click.UsageError("nothing to change: give --name, --scope, --network, --model or --expires")
    with keys_of(url, data_dir) as place:
        found = place.change(whole_key_id(place, key_id), fields)
    ends = f", ends {shown_time(found['expires_at'], utc=True)}" if found["expires_at"] else ""
    print_answer(found, f"{found['id']} changed: {' '.join(found['scopes'])}{ends}", as_json=as_json)


@click.command()
@_key_argument
@_json_option
@service_option
@data_option
def revoke(key_id: str, as_json: bool, url: str | None, data_dir: Path) -> None:
    """Revoke an API key for good. Every API process rejects it within seconds.

    \b
    Example:
      gridpress keys revoke x7k2m4qa
    """
    with keys_of(url, data_dir) as place:
        found = place.revoke(whole_key_id(place, key_id))
    print_answer(found, f"{found['id']} revoked", as_json=as_json)
