"""Prints responses of the API as JSON or as text, and defines the options that choose between them."""

import json
import sys
from datetime import UTC, datetime

import click

from cli.output.times import in_utc, relative, when

json_option = click.option("--json", "as_json", is_flag=True, help="Print the JSON of the API's response.")
utc_option = click.option("--utc", is_flag=True, help="Print times in UTC, not relative to now.")


def print_json(found: object) -> None:
    """Prints a value as JSON on stdout."""
    click.echo(json.dumps(found, indent=2, ensure_ascii=False))


def print_answer(found: object, text: str, *, as_json: bool) -> None:
    """Prints the API's response as JSON, or else one line about it."""
    if as_json:
        print_json(found)
    else:
        click.echo(text)


def shown_time(value: str | float | None, *, utc: bool) -> str:
    """Returns a time of the API for a line of text: relative on a terminal, otherwise or with `utc` in UTC.

    Returns '' for None.
    """
    moment = when(value)
    if moment is None:
        return ""
    return in_utc(moment) if utc or not sys.stdout.isatty() else relative(moment, datetime.now(UTC))
