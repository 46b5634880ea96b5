"""Provides the command `python -m workers.checkpoint.demo`.

It trains the parts in order, paints samples and assembles the checkpoint.
"""

import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
import torch

from shared.errors import GridpressError
from workers.checkpoint.demo import ar, dit, glyphs, vae, vq
from workers.checkpoint.demo.assemble import assemble, pipeline_of
from workers.checkpoint.demo.card import card_of, read_scores
from workers.checkpoint.demo.models.layers import compile_layers
from workers.checkpoint.demo.parts import (
    model_with_trained_eyes,
    trained_encoders,
    trained_eyes,
    trained_glyph_encoder,
    trained_parts,
)
from workers.checkpoint.demo.resume import write_states
from workers.checkpoint.demo.sheet import paint_sheet
from workers.checkpoint.shipped import DEMO_WEIGHTS

_FOLDER = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out/train-demo"),
    show_default=True,
    help="Folder for training states and sample sheets.",
)


@dataclass(frozen=True, slots=True)
class _Part:
    """A trainable part of the demonstration model. `minutes` is its training time on one core of a cloud machine.

    `train` gets the training folder and the minutes after which the training ends.
    """

    train: Callable[[Path, float], object]
    minutes: int


# The order matters: later parts learn from pictures that earlier parts have encoded.
_PARTS: Mapping[str, _Part] = {
    "vae": _Part(lambda folder, _: vae.fit(folder), 45),
    "eyes": _Part(vq.fit, 17),
    "ar": _Part(lambda folder, most: ar.fit(folder, model_with_trained_eyes(folder), trained_eyes(folder), most), 107),
    "glyphs": _Part(lambda folder, _: glyphs.fit(folder), 3),
    "dit": _Part(
        lambda folder, most: dit.fit(folder, trained_encoders(folder), trained_glyph_encoder(folder), most), 119
    ),
}
_LIMITED = ("eyes", "ar", "dit")  # the parts that take long, whose time can be limited


class _Refused(click.ClickException):
    """The error of a command that can't run. Click prints its message and exits with status 3."""

    exit_code = 3


class _Group(click.Group):
    """A Click command group that prints Gridpress's own errors as one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except GridpressError as error:
            raise _Refused(str(error)) from error


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Train the demonstration model: a small checkpoint of GLM-Image's classes that paints shapes, colours and
    words.
    """


@main.command()
@_FOLDER
@click.option("--part", type=click.Choice(list(_PARTS)), help="Train this part alone.  [default: all, in order]")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="End after this time, for --part eyes, ar or dit. The learning rate falls sooner.  [default: no limit]",
)
def train(folder: Path, part: str | None, minutes: float | None) -> None:
    """Train the parts that are not trained yet.

    An interrupted run continues from its last save, at most two minutes earlier. At every save, a part that makes
    pictures also writes an image with samples to the folder. On two cores, `ar` can run beside `glyphs` and `dit`.
    """
    if minutes and part not in _LIMITED:
        raise click.UsageError(f"--minutes needs --part with one of {', '.join(_LIMITED)}")
    torch.set_num_threads(1)  # the operations are too small for a second thread to help
    if shutil.which("g++"):
        compile_layers()
    folder.mkdir(parents=True, exist_ok=True)
    names = [part] if part else list(_PARTS)
    times = ", ".join(f"{name} {_PARTS[name].minutes}" for name in names)
    click.echo(f"Minutes on one core if nothing is trained yet: {times}. Samples: {folder}/*.png")
    for name in names:
        _PARTS[name].train(folder, minutes or math.inf)


@main.command(name="assemble")
@_FOLDER
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEMO_WEIGHTS,
    help="Folder of the checkpoint; an older one is replaced.  [default: the one in the package]",
)
@click.option(
    "--scores",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="JSON file with the scores of the evaluation, for the model card.",
)
def assemble_command(folder: Path, to: Path, scores: Path | None) -> None:
    """Write the trained parts as a checkpoint with a model card."""
    card = card_of(folder, read_scores(scores) if scores else ())
    assemble(trained_parts(folder), to, card)
    size_mib = sum(file.stat().st_size for file in to.rglob("*") if file.is_file()) / 2**20
    click.echo(f"{to} ({size_mib:.1f} MiB)")


@main.command(name="continue")
@_FOLDER
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=DEMO_WEIGHTS,
    help="An assembled checkpoint.  [default: the one in the package]",
)
@click.option("--new-eyes", "has_new_eyes", is_flag=True, help="Train the eyes again before the AR model and the DiT.")
def continue_command(folder: Path, checkpoint: Path, *, has_new_eyes: bool) -> None:
    """Write training states from a checkpoint, so that `train` goes on with its AR model and its DiT."""
    write_states(checkpoint, folder, has_new_eyes=has_new_eyes)
    click.echo(folder)


@main.command()
@_FOLDER
@click.option("--steps", type=int, default=20, show_default=True, help="Denoise steps of a picture.")
def sheet(folder: Path, steps: int) -> None:
    """Paint the sample prompts with the parts as trained so far. Every part must have a saved state."""
    path = folder / "sheet.png"
    paint_sheet(pipeline_of(trained_parts(folder)), path, steps)
    click.echo(path)


if __name__ == "__main__":
    main(prog_name="python -m workers.checkpoint.demo")
