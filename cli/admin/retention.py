"""Implements `gridpress admin retention`: how long the jobs and batches of a tenant are kept after their end."""

import click

from cli.client import Client, Json
from cli.keys.options import tenant_option
from cli.options import url_option
from cli.output.answers import json_option, print_answer
from cli.requests import in_options
from shared.ids import TenantId

_HELP = "Seconds from the end of a job or batch to its deletion, at least 3600; 0: it is not deleted by itself."


@click.command()
@tenant_option
@click.option("--delete-after", "delete_after_s", type=click.IntRange(0), metavar="SECONDS", help=_HELP)
@json_option
@url_option
def retention(tenant: TenantId, delete_after_s: int | None, as_json: bool, url: str) -> None:
    """Show how long the jobs and batches of a tenant are kept after their end. With --delete-after, change it first.

    A change counts for jobs and batches that are created from then on. A request may have another `delete_after_s`.

    \b
    Example:
      gridpress admin retention --tenant acme --delete-after 2592000
    """
    with Client(url) as client, in_options({"delete_after_s": "--delete-after"}):
        if delete_after_s is None:
            found = client.retention(tenant)
        else:
            found = client.set_retention(tenant, delete_after_s or None)
    print_answer(found, _sentence(found), as_json=as_json)


def _sentence(found: Json) -> str:
    seconds = found["delete_after_s"]
    what = f"jobs and batches of {found['tenant']}"
    if seconds is None:
        return f"{what} are not deleted by themselves, unless their request says so"
    return f"{what} are deleted {seconds} s after their end, unless their request says otherwise"
