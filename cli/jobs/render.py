"""Implements `gridpress render`, which renders one prompt and writes the pictures to disk."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cli.client import Client, Json
from cli.errors import Failure
from cli.jobs.pictures import data_url, download_all
from cli.jobs.progress import StageBars
from cli.options import url_option
from shared import demo_model

_FORMATS = {".png": "png", ".webp": "webp", ".jpg": "jpeg", ".jpeg": "jpeg"}
_PICTURE = click.Path(exists=True, dir_okay=False, path_type=Path)
_SIZE_HELP = "Pixels: multiples of 32, 256 to 2048.  [default: that of the first --image, or 1024x1024]"
_FORMAT_HELP = "File format.  [default: from the suffix of --out, or png]"
_OUT_HELP = "File, or folder (one that exists, or DIR/) for <job id>.png.  [default: this folder]"


def _out(_context: click.Context, _option: click.Parameter, given: str) -> Path:
    """Converts the value of --out to a path.

    A value that ends with a slash is a folder, which is created if it is missing.
    """
    path = Path(given)
    if given.endswith("/"):
        path.mkdir(parents=True, exist_ok=True)
    return path


@click.command()
@click.argument("prompt")
@click.option("--size", metavar="WxH", help=_SIZE_HELP)
@click.option("--seed", type=int, help="Picture i uses SEED + i.  [default: random]")
@click.option("--steps", "num_inference_steps", type=int, help="Denoise steps.  [default: the API's default, 50]")
@click.option("--guidance", "guidance_scale", type=float, help="Guidance scale.  [default: the API's default, 1.5]")
@click.option("--image", "images", type=_PICTURE, multiple=True, help="Picture to edit or combine; may be repeated.")
@click.option("--enhance-prompt", is_flag=True, help="Let a language model rewrite PROMPT first.")
@click.option("--n", type=int, default=1, show_default=True, help="Number of pictures.")
@click.option("--format", "output_format", type=click.Choice(["png", "webp", "jpeg"]), help=_FORMAT_HELP)
@click.option("--out", type=click.Path(), callback=_out, default=".", metavar="FILE|DIR", help=_OUT_HELP)
@url_option
def render(images: tuple[Path, ...], output_format: str | None, out: Path, url: str, **fields: Any) -> None:
    """Render PROMPT, write the pictures and print their paths.

    Put text that should appear in the picture in quotation marks within the prompt. Ctrl-C stops this command, not the
    job: `gridpress job ID` shows the job later.

    \b
    Examples:
      gridpress render 'a red poster that says "OPEN"' --size 384x256 --seed 7 --out open.png
      gridpress render "make the background green" --image open.png --size 384x256 --out green.png
    """
    fields["output_format"] = output_format or _FORMATS.get(out.suffix.lower(), "png")
    fields["images"] = [data_url(image) for image in images]
    fields["enhance_prompt"] = fields["enhance_prompt"] or None
    with Client(url) as client:
        job = _wait(client, client.submit({name: value for name, value in fields.items() if value not in (None, [])}))
        if demo_model.is_demo(job.get("revision")):
            click.echo(demo_model.NOTE, err=True)
        for _, path in download_all(client, job, out, stem=job["id"]):
            click.echo(path)
    _check(job)


def _wait(client: Client, job: Json) -> Json:
    """Shows the progress of a job until it has ended. Returns the ended job."""
    console = Console(stderr=True)
    console.print(f"{job['id']}  {job['width']}x{job['height']}  seed {job['seed']}", highlight=False)
    with StageBars([job], console) as bars:
        for jobs in client.watch([job["id"]]):
            job = jobs[job["id"]]
            bars.show([job])
    return job


def _check(job: Json) -> None:
    if job["status"] != "succeeded":
        why = f": {job['error']['message']}" if job["error"] else ""
        raise Failure(f"{job['id']} {job['status']}{why}")
