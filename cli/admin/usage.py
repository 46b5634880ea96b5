"""Implements `gridpress admin usage`: what one tenant or all tenants used."""

from typing import Any

import click

from cli.keys.options import checked_tenant
from cli.service.usage import show_usage, usage_options


@click.command()
@click.option("--tenant", callback=checked_tenant, help="Tenant whose usage to show.  [default: all tenants]")
@usage_options
def usage(tenant: str | None, **asked: Any) -> None:
    """Show what one tenant or all tenants used. The API key needs the scopes `read` and `operator`.

    \b
    Examples:
      gridpress admin usage --tenant acme
      gridpress admin usage --from 2026-01-01 --to 2026-01-31 --by tenant,day,key,quality --csv
    """
    show_usage({"tenant": tenant} if tenant else {"all_tenants": "true"}, **asked)
