"""Implements `gridpress admin limits`: an operator reads and changes the limits of a tenant over the HTTP API."""

import click

from cli.client import Client
from cli.keys.options import changed_limits, limit_lines, limit_options, tenant_option
from cli.options import url_option
from cli.output.answers import json_option, print_answer
from cli.requests import in_options
from shared.ids import TenantId


@click.command()
@tenant_option
@limit_options
@json_option
@url_option
def limits(tenant: TenantId, as_json: bool, url: str, **given: int | None) -> None:
    """Show the limits that are set for a tenant. Limits that are given as options are changed first.

    A change needs an API key with the scopes `admin` and `operator` in GRIDPRESS_API_KEY. `gridpress limits` shows what
    is left of your own limits.

    \b
    Example:
      gridpress admin limits --tenant acme --pixels-per-day 500000000 --streams 50
    """
    changes, options = changed_limits(given), {name: f"--{name.replace('_', '-')}" for name in given}
    with Client(url) as client, in_options(options):
        found = client.change_tenant_limits(tenant, changes) if changes else client.tenant_limits(tenant)
    print_answer(found, "\n".join(limit_lines({name: found[name] for name in given if name in found})), as_json=as_json)
