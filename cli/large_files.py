"""Shows the progress of a download of large files: a bar for each on a terminal, else a line at the end of each."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from cli.doctor.findings import gib
from cli.errors import Failure, Unavailable
from shared.errors import DownloadInterrupted
from workers.model.large_files import Advance, FileBusy, LargeFile, download_large


def download(files: Sequence[LargeFile]) -> None:
    """Downloads the files, some at a time. What an earlier call has left of them is continued.

    Raises `Failure` if another process downloads the same file, `Unavailable`, and the errors of the hub's client.
    """
    try:
        with _progress() as begin:
            download_large(files, begin)
    except FileBusy as error:
        raise Failure(f"another process downloads {error} now: wait for its end") from error
    except DownloadInterrupted as error:
        raise Unavailable(f"{error}: the same command goes on later") from error


@contextmanager
def _progress() -> Iterator[Callable[[LargeFile], Advance]]:
    """Yields a function that begins to show a file. On a terminal each has a bar, else a line at its end."""
    if not sys.stderr.isatty():
        yield _line_at_end
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:

        def begin(file: LargeFile) -> Advance:
            task = bars.add_task(file.name, total=file.size)
            return lambda num_bytes: bars.advance(task, num_bytes)

        yield begin


def _line_at_end(file: LargeFile) -> Advance:
    have = 0

    def advance(num_bytes: int) -> None:
        nonlocal have
        have += num_bytes
        if num_bytes and have == file.size:
            click.echo(f"{file.name}: {gib(file.size)}", err=True)

    return advance
