"""`gridpress checkpoint`: makes checkpoints. The only command that loads torch."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cli.errors import Unavailable

_NUM_PARTS = 6  # `workers.checkpoint.tiny.build` names each before it begins it


@click.group()
def checkpoint() -> None:
    """Make a checkpoint to run the service with."""


@checkpoint.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random weights.")
def tiny(directory: Path, seed: int) -> None:
    """Write a small GLM-Image checkpoint with random weights to DIR.

    It has every part of the real one, in the same folder layout, and needs no network. Its pictures are abstract; a
    256x256 one takes seconds on a CPU. A small checkpoint that already stands in DIR is replaced.

    \b
    Example:
      gridpress checkpoint tiny checkpoints/tiny
      gridpress up --model checkpoints/tiny
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("loading torch", total=_NUM_PARTS)
        build, done = _builder(), count()
        build(directory, seed, lambda part: progress.update(task, completed=next(done), description=part))
        progress.update(task, completed=_NUM_PARTS, description="small checkpoint")
    click.echo(directory)


def _builder() -> Callable[[Path, int, Callable[[str], None]], None]:
    """The function that builds it. Loading what it needs takes seconds, so that happens here and not at the top."""
    try:
        from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415

        from workers.checkpoint.tiny import build  # noqa: PLC0415
    except ImportError as error:
        raise Unavailable(f"{error.name} is missing: pip install 'gridpress[workers]'") from error
    disable_progress_bar()  # it would write into ours
    return build
