"""Implements `gridpress jobs`, `job` and `cancel`, which list, show, retry, delete and cancel jobs."""

import json
from typing import Any

import click
from rich.table import Table

from cli.client import Client, Json
from cli.options import url_option
from cli.tables import print_table, seconds
from shared.jobs.states import JobStatus

_MAX_PROMPT_CHARS = 48

json_option = click.option("--json", "as_json", is_flag=True, help="Print the JSON of the API's response.")


@click.group(invoke_without_command=True)
@click.option("--status", type=click.Choice([status.value for status in JobStatus]), help="Only jobs with this status.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Maximum number of jobs.")
@json_option
@url_option
@click.pass_context
def jobs(context: click.Context, status: str | None, limit: int, as_json: bool, url: str) -> None:
    """List the newest jobs, or retry or delete one job.

    \b
    Example:
      gridpress jobs --status running
    """
    if context.invoked_subcommand:
        return
    with Client(url) as client:
        found = client.jobs(status, limit)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    table = Table("job", "status", "done", "size", "n", "created", "prompt")
    for item in found:
        table.add_row(item["id"], *_status_cells(item), _size(item), str(item["n"]), item["created_at"], _short(item))
    print_table(table)


@jobs.command()
@click.argument("job_id", metavar="ID")
@url_option
def retry(job_id: str, url: str) -> None:
    """Render the missing pictures of a failed, expired or cancelled job.

    \b
    Example:
      gridpress jobs retry job_01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with Client(url) as client:
        click.echo(f"{job_id} {client.retry(job_id)['status']}")


@jobs.command()
@click.argument("job_id", metavar="ID")
@url_option
def delete(job_id: str, url: str) -> None:
    """Delete a job that has ended, with its pictures.

    \b
    Example:
      gridpress jobs delete job_01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with Client(url) as client:
        client.delete(job_id)
    click.echo(f"{job_id} deleted")


@click.command()
@click.argument("job_id", metavar="ID")
@json_option
@url_option
def job(job_id: str, as_json: bool, url: str) -> None:
    """Show one job and its pictures.

    \b
    Example:
      gridpress job job_01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with Client(url) as client:
        found = client.job(job_id)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    click.echo("  ".join((found["id"], *_status_cells(found), _size(found), f"created {found['created_at']}")))
    click.echo(found["prompt"])
    table = Table("picture", "status", "seed", "AR s", "DiT s", "picture or error")
    for image in found["images"]:
        table.add_row(str(image["index"]), image["status"], str(image["seed"]), *_timings(image), _outcome(image))
    print_table(table)


@click.command()
@click.argument("job_id", metavar="ID")
@url_option
def cancel(job_id: str, url: str) -> None:
    """Cancel a job: its unfinished pictures are not rendered.

    \b
    Example:
      gridpress cancel job_01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with Client(url) as client:
        click.echo(f"{job_id} {client.cancel(job_id)['status']}")


def _status_cells(item: Json) -> tuple[str, str]:
    return item["status"], f"{item['progress']:.0%}"


def _size(item: Json) -> str:
    return f"{item['width']}x{item['height']}"


def _short(item: Json) -> str:
    prompt = " ".join(item["prompt"].split())
    return prompt if len(prompt) <= _MAX_PROMPT_CHARS else f"{prompt[: _MAX_PROMPT_CHARS - 1]}…"


def _timings(image: Json) -> tuple[str, str]:
    timings = image["timings"]
    return seconds(timings["ar_s"]), seconds(timings["dit_s"])


def _outcome(image: Json) -> Any:
    return image["error"]["message"] if image["error"] else image["url"] or ""
