"""Implements `gridpress files`: uploads, lists and deletes files that the service stores."""

from pathlib import Path

import click

from cli.batch.client import FILES, BatchClient
from cli.errors import Failure
from cli.ids import whole_id
from cli.options import url_option
from cli.output.answers import json_option, print_answer, print_json, utc_option
from cli.output.tables import print_table
from cli.output.times import when
from shared.files import Purpose

_PURPOSES = [purpose.value for purpose in Purpose]
_OURS = Purpose.BATCH_OUTPUT.value  # only the service writes files with this purpose


@click.group()
def files() -> None:
    """Upload, list and delete files: files with the lines of a batch, and pictures to edit."""


@files.command("list")
@click.option("--purpose", type=click.Choice(_PURPOSES), help="Only files of this purpose.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Maximum number of files.")
@json_option
@utc_option
@url_option
def list_(*, purpose: str | None, limit: int, as_json: bool, utc: bool, url: str) -> None:
    """List files, the newest first.

    \b
    Example:
      gridpress files list --purpose vision
    """
    with BatchClient(url) as client:
        found = client.files(limit, purpose)
    if as_json:
        print_json(found)
        return
    rows = (
        (
            file["id"],
            file["purpose"],
            file["bytes"],
            when(file["created_at"]),
            when(file["expires_at"]),
            file["filename"],
        )
        for file in found["data"]
    )
    print_table(("file", "purpose", "bytes", "created", "expires", "name"), rows, utc=utc)


@files.command()
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--purpose",
    type=click.Choice([purpose for purpose in _PURPOSES if purpose != _OURS]),
    default=Purpose.VISION.value,
    show_default=True,
    help="vision: a picture to edit; batch: lines in OpenAI's batch format.",
)
@json_option
@url_option
def upload(path: Path, purpose: str, as_json: bool, url: str) -> None:
    """Upload FILE and print its id. The field `images` of a batch line can have ids of uploaded pictures.

    \b
    Example:
      gridpress files upload mug.jpg
    """
    with BatchClient(url) as client:
        try:
            with path.open("rb") as file:
                found = client.upload(file, path.name, purpose)
        except OSError as error:
            raise Failure(f"{path} can't be read ({error.strerror})") from error
    print_answer(found, found["id"], as_json=as_json)


@files.command()
@click.argument("file_id", metavar="FILE")
@json_option
@url_option
def delete(file_id: str, as_json: bool, url: str) -> None:
    """Delete a file from the service. Jobs that have already read the file are not affected.

    \b
    Example:
      gridpress files delete file-01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with BatchClient(url) as client:
        file_id = whole_id(client, file_id, "file", FILES)
        found = client.delete_file(file_id)
    print_answer(found, f"{file_id} deleted", as_json=as_json)
