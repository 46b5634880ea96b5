"""`gridpress batch run`, and the group of the batch commands."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cli.batch.care import cancel, delete, list_, pause, rank, resume, retry, show
from cli.batch.client import BatchClient
from cli.batch.input.lines import batch_lines
from cli.batch.input.validation import report_on, validate
from cli.batch.run import Asked, Run
from cli.batch.settings import setting_options
from cli.batch.state import taken
from cli.options import FOLDER, url_option

_PROMPTS = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def batch() -> None:
    """Draw many pictures from one file of prompts.

    \b
    gridpress batch run prompts.jsonl --out DIR    draw all of them, and fetch them
    gridpress batch list                           the batches of the service, newest first
    """


@batch.command()
@click.argument("prompts", type=_PROMPTS)
@click.option("--out", type=FOLDER, required=True, metavar="DIR", help="Folder of the pictures and results.jsonl.")
@setting_options
@click.option("--dry-run", is_flag=True, help="Only say which lines are wrong, the cost and the expected end.")
@click.option("--new", "is_new", is_flag=True, help="Begin anew in a DIR that has a batch already.")
@click.option("--retry-failed", is_flag=True, help="Have the service try failed lines again.")
@click.option("--cancel-on-interrupt", is_flag=True, help="Let Ctrl-C end the batch, not only this command.")
@url_option
def run(prompts: Path, out: Path, url: str, dry_run: bool, settings: dict[str, Any], **how: bool) -> None:
    """Draw all PROMPTS and fetch the pictures into DIR as they are finished.

    PROMPTS is CSV, with a column `prompt` and others called after fields of a request; or JSON lines, each with such
    fields, or OpenAI's batch form. A `custom_id` names the line's files. DIR/results.jsonl tells what became of each.

    Ctrl-C stops this command, not the batch. The same command goes on where it stopped: nothing is drawn or fetched
    twice. Exit status 1 when lines failed; they are listed.

    \b
    Examples:
      gridpress batch run prompts.jsonl --out out/posters --size 768x1024 --steps 30
      gridpress batch run catalogue.csv --out out/catalogue --strict --deadline 2026-01-05T09:30:00Z
      gridpress batch run prompts.jsonl --out out/posters --retry-failed
    """
    with batch_lines(prompts) as lines, BatchClient(url) as client:
        if dry_run:
            report_on(client, prompts, lines, settings)
            return
        with taken(out):
            asked = Asked(prompts, out, url, settings, **how)
            num_pictures = Run(client, asked, lines, Console(stderr=True)).to_the_end()
    click.echo(f"{num_pictures} pictures in {out}")


for command in (validate, list_, show, rank, pause, resume, cancel, retry, delete):
    batch.add_command(command)
