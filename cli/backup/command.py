"""Implements `gridpress backup`, `restore` and `rebuild`."""

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from cli.errors import Failure
from cli.options import FOLDER, setting_option
from shared.settings.settings import Settings

_BACKUP = click.Path(path_type=Path, file_okay=False, exists=True)
_data = setting_option("--data", "data_dir", type=FOLDER, help="Folder of the service's data.")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--objects",
    type=click.Choice(["copy", "list"]),
    default="copy",
    show_default=True,
    help="Copy the objects of the bucket, or only list them if the bucket is backed up by its own means.",
)
@click.option(
    "--copy-with",
    metavar="COMMAND",
    help="With --objects list: a shell command that copies the bucket. No object is deleted until it has ended.",
)
@_data
def backup(folder: Path, objects: str, copy_with: str | None, data_dir: Path) -> None:
    """Back up the job store and the objects into a new FOLDER, while the service runs.

    Jobs go on meanwhile, and objects are deleted only after the backup. The folder contains secrets, so only its owner
    can read it. If the command fails, nothing is left of the folder.

    \b
    Example:
      gridpress backup /backups/monday --data /var/lib/gridpress
      gridpress backup /backups/monday --objects list --copy-with 'rclone sync s3:gridpress /backups/bucket'
    """
    from cli.backup.making import make_backup  # noqa: PLC0415 - the clients of the stores take half a second to import

    if copy_with and objects == "copy":
        raise click.UsageError("--copy-with needs --objects list")
    settings = Settings(data_dir=data_dir.resolve())
    with _cleaning_up():
        _print(make_backup(settings, folder.absolute(), with_objects=objects == "copy", command=copy_with))


@click.command()
@click.argument("folder", type=_BACKUP)
@click.option("--allow-missing", is_flag=True, help="Restore although objects that the backup lists are not there.")
@_data
def restore(folder: Path, allow_missing: bool, data_dir: Path) -> None:
    """Restore the backup in FOLDER into an empty job store. The service must be stopped.

    Checks all checksums first. Refuses a damaged backup, one of a newer release, and a job store that is not empty;
    then nothing has changed. If the command is cut short, run it again.

    \b
    Example:
      gridpress restore /backups/monday --data /var/lib/gridpress-new
    """
    from cli.backup.restoring import restore_backup  # noqa: PLC0415 - as above

    _print(restore_backup(Settings(data_dir=data_dir.resolve()), folder.absolute(), allow_missing=allow_missing))


@click.command()
@_data
def rebuild(data_dir: Path) -> None:
    """Rebuild a lost job store from the manifests in the object store, without a backup.

    Restores jobs that had ended, with their pictures, and says what could not be known. A job that the store has stays
    as it is. May be repeated, also after `gridpress restore`, and while the service runs.

    \b
    Example:
      gridpress rebuild --data /var/lib/gridpress
    """
    from cli.backup.rebuilding import rebuild_store  # noqa: PLC0415 - as above

    _print(rebuild_store(Settings(data_dir=data_dir.resolve())))


@contextmanager
def _cleaning_up() -> Iterator[None]:
    """Lets SIGTERM end the `with` block with an error, so that the command removes what it has written."""

    def end(*_: object) -> None:
        raise Failure("ended by SIGTERM: there is no backup")

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _print(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        click.echo(sentence)
