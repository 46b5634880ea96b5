"""Implements `gridpress checkpoint`, which writes model checkpoints. Loads torch only when the command runs."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cli.errors import Unavailable

_NUM_PARTS = 6  # `workers.checkpoint.tiny.build` reports each part before it builds the part


@click.group()
def checkpoint() -> None:
    """Create a model checkpoint for the service."""


@checkpoint.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random weights.")
def tiny(directory: Path, seed: int) -> None:
    """Write a small GLM-Image checkpoint with random weights to DIR.

    The checkpoint has the same parts and the same folder layout as the real one. Writing it needs no network. Its
    pictures are abstract. A 256x256 picture takes seconds on a CPU. An earlier small checkpoint in DIR is replaced.

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


@checkpoint.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True), metavar="DIR")
def parts(directory: Path) -> None:
    """Write DIR/parts.json, which has a fingerprint of each part of the checkpoint in DIR.

    DIR must have all parts. Copy the file with every copy that has only the parts of AR or of the DiT. Their workers
    then have the same model revision, and take each other's renders. `gridpress pull --to DIR` also writes the file.

    \b
    Example:
      gridpress checkpoint parts checkpoints/glm-image
    """
    from workers.model.fingerprint import write_parts_file  # noqa: PLC0415 - worker code is loaded only when needed

    click.echo(write_parts_file(directory))


def _builder() -> Callable[[Path, int, Callable[[str], None]], None]:
    """Imports and returns the function that builds the small checkpoint.

    The import takes seconds, so it happens here and not whenever the command line starts. Raises `Unavailable` when a
    package is missing.
    """
    try:
        from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415

        from workers.checkpoint.tiny import build  # noqa: PLC0415
    except ImportError as error:
        raise Unavailable(f"{error.name} is missing: pip install 'gridpress[workers]'") from error
    disable_progress_bar()  # its output would mix with our own progress bar
    return build
