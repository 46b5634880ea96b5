"""Defines the options that choose jobs, for the commands that list or cancel several."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from cli.client import Client, Json

_METADATA_HELP = "Only jobs with this pair of metadata; may be repeated."


def _pairs(_context: click.Context, _option: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    """Converts texts such as `shop=a` to names and values. Raises `BadParameter` for a text without a name."""
    pairs = [text.partition("=") for text in given]
    for (name, sign, _), text in zip(pairs, given, strict=True):
        if not (name and sign):
            raise click.BadParameter(f"{text!r} is not NAME=VALUE")
    return {name: value for name, _, value in pairs}


metadata_option = click.option("--metadata", multiple=True, callback=_pairs, metavar="NAME=VALUE", help=_METADATA_HELP)
batch_option = click.option("--batch", metavar="BATCH", help="Only jobs of this batch, given by its id.")


def page_of(client: Client, status: str | None, limit: int, filters: Mapping[str, Any]) -> Json:
    """Returns a page with the newest `limit` jobs that pass, or with all of them if there are fewer.

    A response may have fewer jobs although more follow, because the service reads a limited number for each request.
    """
    found: list[Json] = []
    after: dict[str, str] = {}
    while True:
        page = client.jobs(status, limit - len(found), **filters, **after)
        found += page["data"]
        if len(found) >= limit or not page.get("has_more"):
            return {**page, "data": found}
        after = {"after": page["next"]}
