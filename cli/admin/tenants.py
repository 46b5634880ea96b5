"""Implements `gridpress admin tenants`: all tenants of the service."""

from collections.abc import Iterator

import click

from cli.client import Client, Json
from cli.options import url_option
from cli.output.answers import print_json
from cli.output.tables import Cell, print_table

_COLUMNS = ("tenant", "keys", "open jobs", "queued", "running", "stored bytes", "state")
_STATES = {"has_limits": "limits", "has_bucket": "bucket", "is_paused": "paused", "is_erasing": "erasing"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@url_option
def tenants(*, as_json: bool, url: str) -> None:
    """List all tenants: API keys, jobs that have not ended, pictures, stored bytes, and what is set for them.

    Needs an API key with the scope `operator`. `queued` and `running` are pictures.

    \b
    Example:
      gridpress admin tenants
    """
    with Client(url) as client:
        found = list(client.each("/v1/tenants"))
    if as_json:
        print_json(found)
        return
    print_table(_COLUMNS, _rows(found))


def _rows(found: list[Json]) -> Iterator[tuple[Cell, ...]]:
    for each in found:
        state = " ".join(word for name, word in _STATES.items() if each[name])
        numbers = ("num_keys", "num_open_jobs", "queued_renders", "running_renders", "stored_bytes")
        yield each["id"], *(each[name] for name in numbers), state
