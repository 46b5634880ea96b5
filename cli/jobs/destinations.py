"""Decides where pictures are written and in which format, from the options --out and --format."""

from pathlib import Path

import click

from shared.wording.values import one_of

STDOUT = Path("-")
FORMATS = ("png", "webp", "jpeg")
_OF_SUFFIX = {".png": "png", ".webp": "webp", ".jpg": "jpeg", ".jpeg": "jpeg"}
OUT_HELP = "File, folder (one that exists, or DIR/), or - for stdout.  [default: this folder]"


def _out(_context: click.Context, _option: click.Parameter, given: str) -> Path:
    """Converts the value of --out to a path.

    A value that ends with a slash is a folder, which is created if it is missing.
    """
    path = Path(given)
    if given.endswith("/"):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise click.BadParameter(f"{given} can't be created: {error.strerror}") from error
    return path


out_option = click.option("--out", type=click.Path(), callback=_out, default=".", metavar="FILE|DIR", help=OUT_HELP)


def format_for(out: Path, output_format: str | None) -> str:
    """Returns the format of the pictures: that of `--format`, else that of the file's suffix, else png.

    Raises `UsageError` if the file has a suffix of another format, or one that is no format.
    """
    if out.is_dir() or not out.suffix:
        return output_format or "png"
    of_file = _OF_SUFFIX.get(out.suffix.lower())
    if of_file is None:
        raise click.UsageError(f"--out {out}: {out.suffix} is no format; use {one_of(list(_OF_SUFFIX))}")
    if output_format and output_format != of_file:
        raise click.UsageError(f"--out {out} asks for {of_file} and --format for {output_format}: leave out one")
    return of_file
