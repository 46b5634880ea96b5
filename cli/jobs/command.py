"""Implements `gridpress jobs` and `job`, which list, show, retry and delete jobs."""

import click

from cli.client import Client, Json
from cli.ids import whole_id, whole_job_id
from cli.jobs.filters import batch_option, metadata_option, page_of
from cli.options import url_option
from cli.output.answers import json_option, print_answer, print_json, shown_time, utc_option
from cli.output.tables import print_table, seconds
from cli.output.times import when
from shared.jobs.states import JobStatus

job_argument = click.argument("job_id", metavar="JOB")


@click.group(invoke_without_command=True)
@click.option("--status", type=click.Choice([status.value for status in JobStatus]), help="Only jobs with this status.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Maximum number of jobs.")
@batch_option
@metadata_option
@json_option
@utc_option
@url_option
@click.pass_context
def jobs(
    context: click.Context,
    *,
    status: str | None,
    limit: int,
    batch: str | None,
    metadata: dict[str, str],
    as_json: bool,
    utc: bool,
    url: str,
) -> None:
    """List the newest jobs, or retry or delete one job.

    JOB in all commands is a job's id, a beginning of it that no other id has, or @last for the newest job. If stdout
    is not a terminal, the list has tabs between the columns.

    \b
    Examples:
      gridpress jobs --status running
      gridpress jobs --metadata campaign=spring
    """
    if context.invoked_subcommand:
        return
    with Client(url) as client:
        whole_batch = whole_id(client, batch, "batch", "/v1/batches") if batch else None
        found = page_of(client, status, limit, {"batch": whole_batch, "metadata": metadata})
    if as_json:
        print_json(found)
        return
    rows = (
        (each["id"], *_status_cells(each), _size(each), each["n"], when(each["created_at"]), each["prompt"])
        for each in found["data"]
    )
    print_table(("job", "status", "done", "size", "n", "created", "prompt"), rows, prose=True, utc=utc)


@jobs.command()
@job_argument
@json_option
@url_option
def retry(job_id: str, as_json: bool, url: str) -> None:
    """Render the missing pictures of a failed, expired or cancelled job.

    \b
    Example:
      gridpress jobs retry job_01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with Client(url) as client:
        found = client.retry(whole_job_id(client, job_id))
    print_answer(found, f"{found['id']} {found['status']}", as_json=as_json)


@jobs.command()
@job_argument
@url_option
def delete(job_id: str, url: str) -> None:
    """Delete a job that has ended, with its pictures.

    \b
    Example:
      gridpress jobs delete job_01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with Client(url) as client:
        job_id = whole_job_id(client, job_id)
        client.delete(job_id)
    click.echo(f"{job_id} deleted")


@click.command()
@job_argument
@json_option
@utc_option
@url_option
def job(job_id: str, as_json: bool, utc: bool, url: str) -> None:
    """Show one job and its pictures.

    \b
    Example:
      gridpress job job_01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with Client(url) as client:
        found = client.job(whole_job_id(client, job_id))
    if as_json:
        print_json(found)
        return
    created = f"created {shown_time(found['created_at'], utc=utc)}"
    click.echo("  ".join((found["id"], *_status_cells(found), _size(found), created)))
    click.echo(found["prompt"])
    rows = (
        (image["index"], image["status"], image["seed"], *_timings(image), _outcome(image)) for image in found["images"]
    )
    print_table(("picture", "status", "seed", "AR s", "DiT s", "picture or error"), rows)


def _status_cells(item: Json) -> tuple[str, str]:
    return item["status"], f"{item['progress']:.0%}"


def _size(item: Json) -> str:
    return f"{item['width']}x{item['height']}"


def _timings(image: Json) -> tuple[str, str]:
    timings = image["timings"]
    return seconds(timings["ar_s"]), seconds(timings["dit_s"])


def _outcome(image: Json) -> str:
    return str(image["error"]["message"] if image["error"] else image["url"] or "")
