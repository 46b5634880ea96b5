"""Implements `gridpress cancel`, which cancels one job or many."""

import click

from cli.client import Client, Json
from cli.errors import Failure
from cli.ids import whole_id, whole_job_id
from cli.jobs.filters import batch_option, metadata_option
from cli.options import url_option
from cli.output.answers import json_option, print_answer, print_json

_STATUS_HELP = "Only jobs with this status; may be repeated."


@click.command()
@click.argument("job_ids", metavar="[JOB]...", nargs=-1)
@click.option("--status", multiple=True, type=click.Choice(["queued", "running"]), help=_STATUS_HELP)
@batch_option
@metadata_option
@json_option
@url_option
def cancel(
    *,
    job_ids: tuple[str, ...],
    status: tuple[str, ...],
    batch: str | None,
    metadata: dict[str, str],
    as_json: bool,
    url: str,
) -> None:
    """Cancel jobs: their unfinished pictures are not rendered.

    Cancels the given jobs; or without JOB all that pass the options; or with both the given jobs that pass. Prints what
    happened to each. The exit status is 1 if a job does not exist. `--status queued --status running` cancels all jobs.

    \b
    Examples:
      gridpress cancel job_01k9e4m3c6x2s8q5v7w1t0z9ab
      gridpress cancel --status queued --metadata campaign=spring
    """
    if not (job_ids or status or batch or metadata):
        raise click.UsageError("give JOB, --status, --batch or --metadata")
    with Client(url) as client:
        ids = [whole_job_id(client, job_id) for job_id in job_ids]
        if len(ids) == 1 and not (status or batch or metadata):
            found = client.cancel(ids[0])
            print_answer(found, f"{found['id']} {found['status']}", as_json=as_json)
            return
        whole_batch = whole_id(client, batch, "batch", "/v1/batches") if batch else None
        happened = client.cancel_all(
            ids or None, {"status": list(status) or None, "batch": whole_batch, "metadata": metadata}
        )
    if as_json:
        print_json({"data": happened})
    else:
        click.echo("\n".join(map(_said, happened)) or "no job to cancel")
    if missing := [each["id"] for each in happened if each["outcome"] == "not_found"]:
        raise Failure(f"there is no job {', '.join(missing)}")


def _said(happened: Json) -> str:
    """Returns one line about what happened to a job."""
    outcome, status = happened["outcome"], happened["status"]
    words = {
        "cancelled": str(status),
        "already_ended": f"had ended before: {status}",
        "not_selected": f"does not pass the options, and stays {status}",
        "not_found": "not found",
    }
    return f"{happened['id']} {words.get(outcome, outcome)}"
