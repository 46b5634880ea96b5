"""Implements `gridpress usage`: what the caller's tenant used, by day, API key or quality."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import click

from cli.client import Client, Json
from cli.options import url_option
from cli.output.answers import json_option, print_json
from cli.output.tables import Cell, print_table
from cli.requests import in_options

Command = TypeVar("Command", bound=Callable[..., None])

_OPTIONS = {"from": "--from", "to": "--to", "group_by": "--by"}
_GROUPS = {"day": "day", "tenant": "tenant", "key": "key_id", "quality": "quality"}
_AMOUNTS = {
    "pictures": "pictures",
    "pixels": "pixels",
    "denoise_steps": "steps",
    "ar_tokens": "AR tokens",
    "ar_device_s": "AR s",
    "dit_device_s": "DiT s",
    "stored_bytes": "bytes",
    "webhooks": "webhooks",
}


def usage_options(command: Command) -> Command:
    """Adds the options that choose days, groups and the form of the output to a click command."""
    for add in (
        url_option,
        json_option,
        click.option("--jsonl", "as_jsonl", is_flag=True, help="Print one JSON object for each row."),
        click.option("--csv", "as_csv", is_flag=True, help="Print CSV with a header line."),
        click.option(
            "--by",
            "group_by",
            default="day",
            show_default=True,
            metavar="NAMES",
            help="One row for each of these, with commas between them: day, tenant, key, quality; '': one row.",
        ),
        click.option("--to", metavar="DAY", help="Last day (UTC), which is included.  [default: today]"),
        click.option(
            "--from", "since", metavar="DAY", help="First day (UTC).  [default: the first of the month of --to]"
        ),
    ):
        command = add(command)
    return command


@click.command()
@usage_options
def usage(**asked: Any) -> None:
    """Show what your tenant used: pictures, the work for them, and webhook messages.

    The API key in GRIDPRESS_API_KEY says which tenant is yours. Only finished pictures count, on the day of their end.

    \b
    Examples:
      gridpress usage
      gridpress usage --from 2026-01-01 --to 2026-01-31 --by day,key,quality --csv
    """
    show_usage({}, **asked)


def show_usage(
    whose: Mapping[str, str],
    *,
    since: str | None,
    to: str | None,
    group_by: str,
    as_csv: bool,
    as_jsonl: bool,
    as_json: bool,
    url: str,
) -> None:
    """Prints usage. `whose` are the query parameters that name the tenant; without them, it is the caller's."""
    if as_csv + as_jsonl + as_json > 1:
        raise click.UsageError("--csv, --jsonl and --json exclude each other")
    days = {name: day for name, day in (("from", since), ("to", to)) if day is not None}
    params = {**days, "group_by": group_by.replace(" ", ""), **whose}
    with Client(url) as client, in_options(_OPTIONS):
        if as_csv or as_jsonl:
            click.echo(client.usage_text({**params, "format": "csv" if as_csv else "jsonl"}), nl=False)
            return
        rows = list(client.each("/v1/usage", **params))
    if as_json:
        print_json({"data": rows, "has_more": False, "next": None})
        return
    groups = [name for name in _GROUPS if name in params["group_by"].split(",")]
    print_table([*groups, *_AMOUNTS.values()], _cells(rows, groups))


def _cells(rows: Sequence[Json], groups: Sequence[str]) -> Iterator[list[Cell]]:
    for row in rows:
        amounts = (row[name] for name in _AMOUNTS)
        yield [
            *(row[_GROUPS[name]] for name in groups),
            *(f"{value:.1f}" if isinstance(value, float) else value for value in amounts),
        ]
