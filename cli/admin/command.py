"""Defines the group `gridpress admin`."""

import click

from cli.admin.audit import audit
from cli.admin.erase import erase, erasure
from cli.admin.limits import limits
from cli.admin.pauses import pause, pauses, resume
from cli.admin.retention import retention
from cli.admin.usage import usage


@click.group()
def admin() -> None:
    """Manage tenants (limits, usage, how long data is kept, erasure), pause and resume work, and read the audit log.

    The API key in GRIDPRESS_API_KEY needs the scope `admin`, and for another tenant than its own `operator` as well. To
    change limits it always needs both.
    """


for command in (limits, usage, retention, erase, erasure, pause, resume, pauses, audit):
    admin.add_command(command)
