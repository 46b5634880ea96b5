"""Implements `gridpress limits`: the limits of the caller's tenant, what is left of them, and when they refill."""

from collections.abc import Iterator

import click

from cli.client import Client, Json
from cli.options import url_option
from cli.output.answers import json_option, print_json
from cli.output.tables import Cell, print_table

_COLUMNS = ("limit", "allowed", "left", "one more in", "all in")


@click.command()
@json_option
@url_option
def limits(as_json: bool, url: str) -> None:
    """Show the limits of your tenant: what is allowed, what is left, and when it refills.

    The API key in GRIDPRESS_API_KEY says which tenant is yours. The operator changes limits with `gridpress admin
    limits`. --json also prints the limits of one request, which are the same for every tenant.

    \b
    Example:
      gridpress limits
    """
    with Client(url) as client:
        found = client.limits()
    if as_json:
        print_json(found)
        return
    print_table(_COLUMNS, _rows(found))


def _rows(found: Json) -> Iterator[tuple[Cell, ...]]:
    for name, unit in (("requests", "a minute"), ("pixels", "a day")):
        limit = found[name]
        yield f"{name} {unit}", _allowed(limit), limit["remaining"], _wait(limit["reset_s"]), _wait(limit["full_s"])
    # A service of an earlier release has not all of them.
    counts = ("queued_renders", "concurrent_renders", "connections", "streams", "stored_bytes")
    for name in filter(found.__contains__, counts):
        yield name.replace("_", " "), _allowed(found[name]), found[name]["remaining"], None, None
    for name in ("pictures", "device_seconds"):
        budget = found[f"{name}_per_month"]
        refill = str(budget["refills_at"])[:10]
        yield f"{name.replace('_', ' ')} a month", _allowed(budget), budget["remaining"], None, refill
    yield "weight", found["weight"], None, None, None


def _allowed(limit: Json) -> Cell:
    return "no limit" if limit["limit"] is None else limit["limit"]


def _wait(seconds: float | None) -> str:
    """Returns a duration as text, in the largest unit that leaves a whole number over one. Returns '' for none."""
    if not seconds:
        return ""
    for unit_s, name in ((3600, "h"), (60, "min")):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {name}"
    return f"{seconds:.1f} s"
