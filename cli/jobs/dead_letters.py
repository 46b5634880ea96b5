"""Implements `gridpress dead-letters`, which handles renders that failed because they crashed their workers."""

from datetime import datetime

import click

from cli.client import DEAD_LETTERS, Client, Json
from cli.ids import whole_id
from cli.options import url_option
from cli.output.answers import json_option, print_answer, print_json, shown_time, utc_option
from cli.output.tables import print_table
from cli.output.times import when

_letter = click.argument("letter_id", metavar="ID")


@click.group("dead-letters")
def dead_letters() -> None:
    """List, show, requeue and delete dead letters: renders that failed because they crashed their workers."""


@dead_letters.command("list")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Maximum number.")
@json_option
@utc_option
@url_option
def list_(limit: int, as_json: bool, utc: bool, url: str) -> None:
    """List dead letters. Those of the newest jobs come first.

    \b
    Example:
      gridpress dead-letters list
    """
    with Client(url) as client:
        found = client.dead_letters(limit)
    if as_json:
        print_json(found)
        return
    rows = (
        (letter["id"], letter["stage"], letter["strikes"], when(letter["died_at"]), _last_worker(letter))
        for letter in found["data"]
    )
    print_table(("dead letter", "stage", "strikes", "died", "last worker"), rows, utc=utc)


@dead_letters.command()
@_letter
@json_option
@utc_option
@url_option
def show(letter_id: str, as_json: bool, utc: bool, url: str) -> None:
    """Show every crash of a dead letter, and the last log lines of the worker that crashed last.

    \b
    Example:
      gridpress dead-letters show job_01k9e4m3c6x2s8q5v7w1t0z9ab:0000
    """
    with Client(url) as client:
        found = client.dead_letter(_whole(client, letter_id))
    if as_json:
        print_json(found)
        return
    died = shown_time(found["died_at"], utc=utc)
    click.echo(f"{found['id']}  {found['stage']}  {found['strikes']} strikes  died {died}")
    print_table(("crash", "worker", "stage", "steps", "alone"), map(_crash_cells, found["crashes"]), utc=utc)
    _print_log(found["crashes"])


@dead_letters.command()
@_letter
@json_option
@url_option
def requeue(letter_id: str, as_json: bool, url: str) -> None:
    """Try the render of a dead letter again, with its count of crashes reset. The render's job runs again.

    \b
    Example:
      gridpress dead-letters requeue job_01k9e4m3c6x2s8q5v7w1t0z9ab:0000
    """
    with Client(url) as client:
        job = client.requeue(_whole(client, letter_id))
    print_answer(job, f"{job['id']} {job['status']}", as_json=as_json)


@dead_letters.command()
@_letter
@url_option
def purge(letter_id: str, url: str) -> None:
    """Delete a dead letter and its crash evidence. The picture stays failed.

    \b
    Example:
      gridpress dead-letters purge job_01k9e4m3c6x2s8q5v7w1t0z9ab:0000
    """
    with Client(url) as client:
        letter_id = _whole(client, letter_id)
        client.purge(letter_id)
    click.echo(f"{letter_id} purged")


def _whole(client: Client, letter_id: str) -> str:
    return whole_id(client, letter_id, "dead letter", DEAD_LETTERS)


def _crash_cells(crash: Json) -> tuple[datetime | None, str, str, str, str]:
    steps = f"{crash['steps']['done']} of {crash['steps']['total']}"
    return when(crash["at"]), crash["worker"], crash["stage"], steps, "yes" if crash["was_alone"] else "no"


def _print_log(crashes: list[Json]) -> None:
    if not crashes:
        return
    lines = crashes[-1]["log_lines"]
    if lines is None:
        click.echo(
            "The log lines may show data of other tenants: they need an API key with the scopes admin and operator.",
            err=True,
        )
    for line in lines or ():
        click.echo(line)


def _last_worker(letter: Json) -> str:
    return letter["crashes"][-1]["worker"] or "" if letter["crashes"] else ""
