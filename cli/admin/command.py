"""Defines the group `gridpress admin`."""

import click

from cli.admin.audit import audit
from cli.admin.bucket import bucket
from cli.admin.erase import erase, erasure
from cli.admin.limits import limits
from cli.admin.models import model, models
from cli.admin.pauses import pause, pauses, resume
from cli.admin.requeue import requeue
from cli.admin.retention import retention
from cli.admin.tenants import tenants
from cli.admin.usage import usage
from cli.admin.workers import drain, undrain, workers


@click.group()
def admin() -> None:
    """Manage tenants (limits, usage, data, buckets), drain workers, pause work, set models, and read the audit log.

    The API key in GRIDPRESS_API_KEY needs the scope `admin`, and for another tenant than its own `operator` as well. To
    change limits or a bucket it always needs both.
    """


_OF_TENANTS = (tenants, limits, usage, retention, bucket, erase, erasure)
_OF_OPERATORS = (workers, drain, undrain, pause, resume, pauses, requeue, models, model, audit)
for command in (*_OF_TENANTS, *_OF_OPERATORS):
    admin.add_command(command)
