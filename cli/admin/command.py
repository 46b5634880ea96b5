"""Defines the group `gridpress admin`."""

import click

from cli.admin.erase import erase, erasure
from cli.admin.limits import limits
from cli.admin.retention import retention


@click.group()
def admin() -> None:
    """Manage tenants: their limits, how long their data is kept, and its erasure.

    The API key in GRIDPRESS_API_KEY needs the scope `admin`, and for another tenant than its own `operator` as well. To
    change limits it always needs both.
    """


for command in (limits, retention, erase, erasure):
    admin.add_command(command)
