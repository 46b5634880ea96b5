"""Implements `gridpress admin audit`: the acts of administrators and operators."""

import json
from collections.abc import Iterator
from itertools import islice

import click

from cli.client import Client, Json
from cli.options import url_option
from cli.output.answers import print_json, utc_option
from cli.output.tables import Cell, print_table
from cli.output.times import when
from shared.ids import TenantId

_COLUMNS = ("when", "tenant", "key", "from", "act", "result", "facts")


@click.command()
@click.option("--tenant", type=TenantId, help="Only acts of API keys of this tenant.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Maximum number of acts.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.option("--jsonl", "as_jsonl", is_flag=True, help="Print one JSON object in each line. Prints all acts.")
@utc_option
@url_option
def audit(*, tenant: TenantId | None, limit: int, as_json: bool, as_jsonl: bool, utc: bool, url: str) -> None:
    """Show who did what as an administrator or operator, newest first.

    An API key with the scope `admin` sees the acts of its own tenant's keys. With `operator` it sees those of all
    tenants.

    \b
    Examples:
      gridpress admin audit --tenant acme
      gridpress admin audit --jsonl > audit.jsonl
    """
    with Client(url) as client:
        found = client.each("/v1/audit", **({"tenant": tenant} if tenant else {}))
        if as_jsonl:
            for each in found:
                click.echo(json.dumps(each, ensure_ascii=False))
            return
        acts = list(islice(found, limit))
    if as_json:
        print_json(acts)
        return
    print_table(_COLUMNS, _rows(acts), prose=True, utc=utc)


def _rows(acts: list[Json]) -> Iterator[tuple[Cell, ...]]:
    for each in acts:
        result = each["code"] or each["status"] or "not ended"
        facts = " ".join(f"{name}={_text(value)}" for name, value in each["facts"].items())
        what = f"{each['act'].split()[0]} {each['path']}" if each["path"] else each["act"]
        yield when(each["at"]), each["tenant"], each["key_id"], each["address"], what, result, facts


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
