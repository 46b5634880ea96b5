"""`gridpress files`: what was sent to the service, and what it wrote for batches."""

import json
from pathlib import Path

import click
from rich.table import Table

from cli.batch.client import BatchClient
from cli.errors import Failure
from cli.jobs.command import json_option
from cli.options import url_option
from cli.tables import moment, print_table
from shared.files import Purpose

_PURPOSES = [purpose.value for purpose in Purpose]
_OURS = Purpose.BATCH_OUTPUT.value  # only the service writes these


@click.group()
def files() -> None:
    """Keep files with the service: batches, and pictures to edit."""


@files.command("list")
@click.option("--purpose", type=click.Choice(_PURPOSES), help="Only files of this purpose.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@json_option
@url_option
def list_(purpose: str | None, limit: int, as_json: bool, url: str) -> None:
    """List files, the newest first.

    \b
    Example:
      gridpress files list --purpose vision
    """
    with BatchClient(url) as client:
        found = client.files(limit, purpose)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    table = Table("file", "purpose", "bytes", "created", "expires", "name")
    for file in found:
        times = moment(file["created_at"]), moment(file["expires_at"])
        table.add_row(file["id"], file["purpose"], str(file["bytes"]), *times, file["filename"])
    print_table(table)


@files.command()
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--purpose",
    type=click.Choice([purpose for purpose in _PURPOSES if purpose != _OURS]),
    default=Purpose.VISION.value,
    show_default=True,
    help="vision: a picture to edit; batch: lines in OpenAI's form.",
)
@url_option
def upload(path: Path, purpose: str, url: str) -> None:
    """Send FILE to the service and print its id, which lines of a batch can name in `images`.

    \b
    Example:
      gridpress files upload mug.jpg
    """
    with BatchClient(url) as client:
        try:
            with path.open("rb") as file:
                click.echo(client.upload(file, path.name, purpose)["id"])
        except OSError as error:
            raise Failure(f"{path} can't be read ({error.strerror})") from error


@files.command()
@click.argument("file_id", metavar="ID")
@url_option
def delete(file_id: str, url: str) -> None:
    """Delete a file. Jobs that used it keep what they read.

    \b
    Example:
      gridpress files delete file-01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with BatchClient(url) as client:
        client.delete_file(file_id)
    click.echo(f"{file_id} deleted")
