"""Implements `gridpress admin requeue`: waiting work moves to another model revision."""

import click

from cli.client import Client
from cli.options import url_option
from cli.output.answers import json_option, print_answer
from cli.requests import in_options
from shared.ids import TenantId


@click.command()
@click.option("--to", required=True, metavar="REVISION", help="The revision that is to render the work.")
@click.option("--from", "source", metavar="REVISION", help="Only work that waits for this revision.")
@click.option("--tenant", type=TenantId, help="Only work of this tenant.")
@json_option
@url_option
def requeue(*, to: str, source: str | None, tenant: TenantId | None, as_json: bool, url: str) -> None:
    """Move waiting pictures to another model revision: those of jobs that no worker has claimed yet.

    `gridpress admin workers` lists the revisions of the workers. Needs an API key with the scopes `admin` and
    `operator`.

    \b
    Example:
      gridpress admin requeue --to 4f3a2b1c0d9e
    """
    fields = {"to": to, **({"from": source} if source else {}), **({"tenant": tenant} if tenant else {})}
    with Client(url) as client, in_options({"to": "--to", "from": "--from", "tenant": "--tenant"}):
        found = client.move(fields)
    print_answer(found, f"{found['moved']} waiting pictures moved to the revision {to}", as_json=as_json)
