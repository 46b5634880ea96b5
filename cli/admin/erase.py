"""Implements `gridpress admin erase` and `erasure`: all data of a tenant is erased."""

import time

import click

from cli.client import Client, Json
from cli.errors import Unavailable
from cli.keys.options import tenant_option
from cli.options import url_option
from cli.output.answers import json_option, print_answer
from shared.ids import TenantId

_POLL_S = 5.0
_PHASES = {
    "deleting": "jobs, files and pictures are being deleted",
    "settling": "all is deleted; a last search follows within 11 minutes, since a worker may still store an object",
    "finishing": "the last search is running",
}


@click.command()
@tenant_option
@click.option("--settings", "with_settings", is_flag=True, help="Also erase API keys and limits. Needs `operator`.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--wait", is_flag=True, help="Wait until nothing of the tenant is left, at least 11 minutes.")
@json_option
@url_option
def erase(*, tenant: TenantId, with_settings: bool, yes: bool, wait: bool, as_json: bool, url: str) -> None:
    """Erase all data of a tenant: jobs, pictures, batches, files, condition images, webhook endpoints and messages.

    Running work is cancelled first. Meanwhile nothing new of the tenant is accepted. It can't be undone. If the service
    is stopped in between, it goes on with the erasure when it starts again.

    \b
    Example:
      gridpress admin erase --tenant acme --wait
    """
    if not yes:
        click.confirm(f"Erase all data of the tenant {tenant}? This can't be undone", abort=True, err=True)
    with Client(url) as client:
        found = client.erase(tenant, with_settings=with_settings)
        while wait and found["status"] == "erasing":
            time.sleep(_POLL_S)
            found = _state(client, tenant, found)
    print_answer(found, _sentence(found), as_json=as_json)


@click.command()
@tenant_option
@json_option
@url_option
def erasure(tenant: TenantId, as_json: bool, url: str) -> None:
    """Show whether the data of a tenant is being erased, and how far this is.

    \b
    Example:
      gridpress admin erasure --tenant acme
    """
    with Client(url) as client:
        found = client.erasure(tenant)
    print_answer(found, _sentence(found), as_json=as_json)


def _state(client: Client, tenant: TenantId, before: Json) -> Json:
    """Returns how far the erasure is. While the API restarts, this is what was known before."""
    try:
        return client.erasure(tenant)
    except Unavailable:
        return before


def _sentence(found: Json) -> str:
    if found["status"] == "none":
        return f"no data of {found['tenant']} is being erased: an erasure that was begun has ended"
    return f"{found['tenant']}: {_PHASES[found['phase']]}"
