"""Defines the group `gridpress admin`."""

import click

from cli.admin.erase import erase, erasure
from cli.admin.retention import retention


@click.group()
def admin() -> None:
    """Manage the data of tenants: how long it is kept, and its erasure.

    The API key in GRIDPRESS_API_KEY needs the scope `admin`, and for another tenant than its own `operator` as well.
    """


for command in (retention, erase, erasure):
    admin.add_command(command)
