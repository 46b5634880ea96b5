"""Implements `gridpress batch run`, and groups all commands of `gridpress batch`."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cli.batch.client import BatchClient
from cli.batch.commands import cancel, delete, list_, pause, rank, resume, retry, show
from cli.batch.input.lines import batch_lines
from cli.batch.input.validation import report_on, validate
from cli.batch.run import Run, RunOptions
from cli.batch.settings import setting_options
from cli.batch.state import locked_folder
from cli.options import FOLDER, url_option

_PROMPTS = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def batch() -> None:
    """Render many pictures from one file of prompts.

    \b
    gridpress batch run prompts.jsonl --out DIR    render all prompts and download the pictures
    gridpress batch list                           list your batches, the newest first
    """


@batch.command()
@click.argument("prompts", type=_PROMPTS)
@click.option("--out", type=FOLDER, required=True, metavar="DIR", help="Folder for the pictures and results.jsonl.")
@setting_options
@click.option("--dry-run", is_flag=True, help="Only report invalid lines, the cost and the expected end.")
@click.option("--new", "is_new", is_flag=True, help="Start a new batch in a DIR that already has one.")
@click.option("--retry-failed", is_flag=True, help="Render failed lines again.")
@click.option("--cancel-on-interrupt", is_flag=True, help="Let Ctrl-C cancel the batch, not only stop this command.")
@url_option
def run(prompts: Path, out: Path, url: str, dry_run: bool, settings: dict[str, Any], **how: bool) -> None:
    """Render all prompts of the file PROMPTS, and download each picture into DIR as soon as it is finished.

    PROMPTS is a text file (.txt) with a prompt on each line, a CSV file, or a file of JSON lines. A CSV file has a
    column `prompt`; its other columns are named after fields of `POST /v1/jobs`. A JSON line has the same fields, or is
    in OpenAI's batch format. The picture files of a line are named after its `custom_id`. DIR/results.jsonl records the
    result of every line.

    Ctrl-C stops this command, not the batch. Run the same command again to continue: nothing is rendered or downloaded
    twice. If lines failed, the command lists them and its exit status is 1.

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
        with locked_folder(out):
            options = RunOptions(prompts, out, url, settings, **how)
            num_pictures = Run(client, options, lines, Console(stderr=True)).to_the_end()
    click.echo(f"{num_pictures} pictures in {out}")


for command in (validate, list_, show, rank, pause, resume, cancel, retry, delete):
    batch.add_command(command)
