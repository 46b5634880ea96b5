"""Defines the group `gridpress admin`."""

import click

from cli.admin.retention import retention


@click.group()
def admin() -> None:
    """Manage the data of tenants.

    The API key in GRIDPRESS_API_KEY needs the scope `admin`, and for another tenant than its own `operator` as well.
    """


admin.add_command(retention)
