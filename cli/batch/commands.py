"""Implements the commands of `gridpress batch` that list, show and change batches of the service."""

import click

from cli.batch.client import BATCHES, BatchClient
from cli.batch.settings import OPTION_NAMES, PRIORITIES
from cli.client import Json
from cli.ids import whole_id
from cli.options import url_option
from cli.output.answers import json_option, print_answer, print_json, shown_time, utc_option
from cli.output.tables import Cell, print_table
from cli.output.times import when
from cli.requests import in_options

_batch_id = click.argument("batch_id", metavar="BATCH")
_EXAMPLE_ID = "batch_01k9e4m3c6x2s8q5v7w1t0z9ab"


@click.command("list")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Maximum number of batches.")
@json_option
@utc_option
@url_option
def list_(limit: int, as_json: bool, utc: bool, url: str) -> None:
    """List your batches, the newest first.

    \b
    Example:
      gridpress batch list
    """
    with BatchClient(url) as client:
        found = client.batches(limit)
    if as_json:
        print_json(found)
        return
    columns = ("batch", "status", "priority", "lines", "done", "failed", "created", "expected end")
    print_table(columns, map(_cells, found["data"]), utc=utc)


@click.command()
@_batch_id
@json_option
@utc_option
@url_option
def show(batch_id: str, as_json: bool, utc: bool, url: str) -> None:
    """Show one batch: its status, progress, files and errors.

    \b
    Example:
      gridpress batch show batch_01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with BatchClient(url) as client:
        found = client.batch(_whole(client, batch_id))
    if as_json:
        print_json(found)
        return
    total, done, failed = _counts(found)
    click.echo(f"{found['id']}  {status(found)}  {done} of {total} lines done, {failed} failed")
    click.echo(_place(found))
    for name in ("input_file_id", "output_file_id", "error_file_id"):
        click.echo(f"{name.removesuffix('_id').replace('_', ' ')}: {found[name] or 'none'}")
    for name, value in found.items():
        if name.endswith("_at") and value:
            click.echo(f"{name.removesuffix('_at').replace('_', ' ')}: {shown_time(value, utc=utc)}")
    for error in (found.get("errors") or {}).get("data", []):
        where = f"line {error['line']}: " if error.get("line") else ""
        click.echo(f"{where}{error['message']}")


@click.command()
@_batch_id
@click.option("--priority", type=PRIORITIES, help="high goes before normal; interactive: as urgent as single pictures.")
@click.option(
    "--finish-by",
    metavar="TIME",
    help="Desired end, such as 2026-01-05T09:30:00Z, or none. Within one priority, the earliest goes first.",
)
@json_option
@url_option
def rank(batch_id: str, *, priority: str | None, finish_by: str | None, as_json: bool, url: str) -> None:
    """Change the priority or the desired end of a batch, which decide the order of your batches.

    The share of the service that other tenants get stays the same.

    \b
    Examples:
      gridpress batch rank batch_01k9e4m3c6x2s8q5v7w1t0z9ab --priority high
      gridpress batch rank batch_01k9e4m3c6x2s8q5v7w1t0z9ab --finish-by none
    """
    asked = {"priority": priority, "finish_by": finish_by}
    fields = {name: None if value == "none" else value for name, value in asked.items() if value is not None}
    if not fields:
        raise click.UsageError("give --priority or --finish-by")
    with BatchClient(url) as client, in_options(OPTION_NAMES):
        found = client.rank(_whole(client, batch_id), fields)
    print_answer(found, f"{found['id']} {status(found)}  {_place(found)}", as_json=as_json)


def _change(action: str, text: str) -> click.Command:
    """Returns a click command that sends one action, such as `pause`, to a batch and prints the batch's status."""

    @click.command(action, help=f"{text}\n\n\b\nExample:\n  gridpress batch {action} {_EXAMPLE_ID}")
    @_batch_id
    @json_option
    @url_option
    def change(batch_id: str, as_json: bool, url: str) -> None:
        with BatchClient(url) as client:
            found = client.change(_whole(client, batch_id), action)
        print_answer(found, f"{found['id']} {status(found)}", as_json=as_json)

    return change


pause = _change("pause", "Start no more lines of a batch until you resume it. Lines that are being rendered finish.")
resume = _change("resume", "Continue a paused batch.")
cancel = _change("cancel", "Cancel a batch: lines that have not ended are not rendered. Finished pictures stay.")
retry = _change("retry", "Render the failed lines of a batch again.")


@click.command()
@_batch_id
@url_option
def delete(batch_id: str, url: str) -> None:
    """Delete a batch that has ended, with its output and error files, its jobs and all their pictures.

    Pictures that you have downloaded stay.

    \b
    Example:
      gridpress batch delete batch_01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with BatchClient(url) as client:
        batch_id = _whole(client, batch_id)
        client.delete_batch(batch_id)
    click.echo(f"{batch_id} deleted")


def _whole(client: BatchClient, batch_id: str) -> str:
    return whole_id(client, batch_id, "batch", BATCHES)


def _cells(one: Json) -> tuple[Cell, ...]:
    times = when(one["created_at"]), when(one.get("expected_end"))
    return one["id"], status(one), one.get("priority", ""), *_counts(one), *times


def status(batch: Json) -> str:
    """Returns the status of a batch in one word: `paused` for a paused batch, otherwise the API's status.

    OpenAI's batch format has no such status, so the API reports a pause in a field of its own.
    """
    return "paused" if batch.get("paused") else str(batch["status"])


def _place(batch: Json) -> str:
    """Returns a line of text with a batch's priority, desired end and expected end, and `LATE` if it will end too late.

    The response of an older service lacks some of these fields.
    """
    text = f"priority: {batch.get('priority')}"
    for name in ("finish_by", "expected_end"):
        text += f"  {name.replace('_', ' ')}: {batch[name]}" if batch.get(name) else ""
    return text + ("  LATE" if batch.get("on_time") is False else "")


def _counts(batch: Json) -> tuple[str, str, str]:
    counts = batch["request_counts"]
    return str(counts["total"]), str(counts["completed"]), str(counts["failed"])
