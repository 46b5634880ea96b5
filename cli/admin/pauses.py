"""Implements `gridpress admin pause`, `resume` and `pauses`."""

from collections.abc import Iterator

import click

from cli.client import Client, Json
from cli.options import url_option
from cli.output.answers import json_option, print_answer, print_json, utc_option
from cli.output.tables import Cell, print_table
from cli.output.times import when
from cli.requests import in_options
from shared.jobs.pauses import PauseKind

_kind = click.argument("kind", type=click.Choice([kind.value for kind in PauseKind]))
_name = click.argument("name")


@click.command()
@_kind
@_name
@click.option("--reason", default="", help="Why. Callers whose work waits read it in their jobs.")
@json_option
@url_option
def pause(*, kind: str, name: str, reason: str, as_json: bool, url: str) -> None:
    """Pause a stage (ar, dit), a priority class (interactive, batch), a tenant or a model revision.

    Workers then claim no picture that it concerns. What they hold goes on to its end. New jobs are accepted and wait.
    Needs an API key with the scopes `admin` and `operator`.

    \b
    Examples:
      gridpress admin pause class batch --reason "maintenance until 14:00 UTC"
      gridpress admin pause tenant acme
    """
    with Client(url) as client, in_options({"reason": "--reason"}):
        found = client.pause(kind, name, reason)
    print_answer(found, f"{kind} {name} is paused", as_json=as_json)


@click.command()
@_kind
@_name
@url_option
def resume(kind: str, name: str, url: str) -> None:
    """Resume what was paused. Workers claim it within 2 s.

    \b
    Example:
      gridpress admin resume class batch
    """
    with Client(url) as client:
        client.resume(kind, name)
    click.echo(f"{kind} {name} is no longer paused")


@click.command()
@json_option
@utc_option
@url_option
def pauses(as_json: bool, utc: bool, url: str) -> None:
    """List what is paused, since when, and why. Needs an API key with the scope `operator`.

    \b
    Example:
      gridpress admin pauses
    """
    with Client(url) as client:
        found = client.pauses()
    if as_json:
        print_json(found)
        return
    print_table(("kind", "name", "since", "key", "reason"), _rows(found["data"]), prose=True, utc=utc)


def _rows(found: list[Json]) -> Iterator[tuple[Cell, ...]]:
    for each in found:
        yield each["kind"], each["name"], when(each["since"]), each["key_id"], each["reason"]
