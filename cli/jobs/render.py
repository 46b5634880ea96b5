"""Implements `gridpress render`, which renders one prompt and writes the pictures to disk."""

import os
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cli.client import Client, Json
from cli.errors import Failure
from cli.jobs.destinations import FORMATS, STDOUT, format_for, out_option
from cli.jobs.pictures import data_url, download_all
from cli.jobs.viewer import open_pictures
from cli.jobs.waiting import check, wait_for
from cli.options import url_option
from cli.output.answers import json_option, print_json
from cli.requests import in_options
from shared import demo_model
from shared.jobs.spec import Priority, Quality
from shared.wording.values import why_absent

_PICTURE = click.Path(exists=True, dir_okay=False, path_type=Path)
_SIZE_HELP = "Pixels: multiples of 32, 256 to 2048.  [default: that of the first --image, or 1024x1024]"
_FORMAT_HELP = "File format.  [default: from the suffix of --out, or png]"
_QUALITY_HELP = (
    "exact is the reference's picture. balanced takes 4/5 of its time, fast half, few_steps 2/5; the picture differs a "
    "little.  [default: exact]"
)
_PRIORITY_HELP = "batch: after all interactive jobs.  [default: interactive]"
_WEBHOOK_HELP = "URL that gets a signed webhook when the job ends."
_DELETE_HELP = "Seconds after the job's end at which the service deletes it with its pictures; at least 60."
_REUSE_HELP = "Copy the picture of an equal request of yours that also had --reuse. Needs --seed."
_REDRAWS_HELP = (
    "Check the quoted text of PROMPT in each picture, and draw a picture with wrong text again up to N times."
)
_INTERRUPT_HELP = "Let Ctrl-C cancel the job, not only stop this command."
# The options and arguments that the API's names of fields stand for.
_OPTIONS = {
    "prompt": "PROMPT",
    "model": "--model",
    "size": "--size",
    "width": "--size",
    "height": "--size",
    "seed": "--seed",
    "num_inference_steps": "--steps",
    "guidance_scale": "--guidance",
    "quality": "--quality",
    "priority": "--priority",
    "images": "--image",
    "enhance_prompt": "--enhance-prompt",
    "visible_mark": "--visible-mark",
    "reuse": "--reuse",
    "text_check": "--redraws",
    "n": "--n",
    "webhook_url": "--webhook",
    "delete_after_s": "--delete-after",
    "output_format": "--format",
}


def _no_negative_prompt(_context: click.Context, _option: click.Parameter, given: str | None) -> None:
    if given is not None:
        raise click.UsageError(f"--negative-prompt: {why_absent('negative_prompt')}")


@click.command()
@click.argument("prompt", required=False)
@click.option("--model", help="Name of the model, as `GET /v1/models` lists it.  [default: the service's default]")
@click.option("--size", metavar="WxH", help=_SIZE_HELP)
@click.option("--seed", type=int, help="Picture i uses SEED + i.  [default: random]")
@click.option("--steps", "num_inference_steps", type=int, help="Denoise steps.  [default: the API's default, 50]")
@click.option("--guidance", "guidance_scale", type=float, help="Guidance scale.  [default: the API's default, 1.5]")
@click.option("--quality", type=click.Choice([each.value for each in Quality]), help=_QUALITY_HELP)
@click.option("--priority", type=click.Choice([each.value for each in Priority]), help=_PRIORITY_HELP)
@click.option("--image", "images", type=_PICTURE, multiple=True, help="Picture to edit or combine; may be repeated.")
@click.option("--enhance-prompt", is_flag=True, help="Let a language model rewrite PROMPT first.")
@click.option("--visible-mark", is_flag=True, help="Draw a text such as 'AI generated' into a corner of each picture.")
@click.option("--reuse", is_flag=True, help=_REUSE_HELP)
@click.option("--redraws", "text_check", type=int, metavar="N", help=_REDRAWS_HELP)
@click.option("--n", type=int, default=1, show_default=True, help="Number of pictures.")
@click.option("--webhook", "webhook_url", metavar="URL", help=_WEBHOOK_HELP)
@click.option("--delete-after", "delete_after_s", type=int, metavar="SECONDS", help=_DELETE_HELP)
@click.option("--format", "output_format", type=click.Choice(FORMATS), help=_FORMAT_HELP)
@out_option
@click.option("--open", "is_opened", is_flag=True, help="Open the pictures when they are there.")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
@click.option("--cancel-on-interrupt", is_flag=True, help=_INTERRUPT_HELP)
@click.option("--negative-prompt", hidden=True, callback=_no_negative_prompt, expose_value=False, help="Not possible.")
@json_option
@url_option
def render(
    *,
    prompt: str | None,
    images: tuple[Path, ...],
    output_format: str | None,
    out: Path,
    is_opened: bool,
    quiet: bool,
    cancel_on_interrupt: bool,
    as_json: bool,
    url: str,
    **fields: Any,
) -> None:
    """Render PROMPT, write the pictures and print their paths.

    Put text that should appear in the picture in quotation marks within the prompt. With - as PROMPT, or without one,
    the prompt is read from stdin. While the job waits, its place in the queue is shown. Ctrl-C stops this command, not
    the job: `gridpress fetch JOB` downloads the pictures later. With --json, stdout has the ended job.

    \b
    Examples:
      gridpress render 'a red poster that says "OPEN"' --size 256x256 --seed 7 --out open.png
      gridpress render "make the circle blue" --image circle.png --size 256x256 --out blue.png
      gridpress render - --out - < prompt.txt > picture.png
    """
    if out == STDOUT and (as_json or is_opened or fields["n"] != 1):
        raise click.UsageError("--out - writes one picture to stdout: leave out --json, --open and --n")
    fields["prompt"] = _prompt(prompt)
    fields["output_format"] = format_for(out, output_format)
    fields["images"] = [data_url(image) for image in images]
    fields["enhance_prompt"] = fields["enhance_prompt"] or None
    fields["visible_mark"] = fields["visible_mark"] or None
    fields["reuse"] = fields["reuse"] or None
    redraws = fields["text_check"]
    fields["text_check"] = None if redraws is None else {"redraws": redraws}
    console = Console(stderr=True, quiet=quiet)
    with Client(url) as client:
        with in_options(_OPTIONS):
            job = client.submit({name: value for name, value in fields.items() if value not in (None, [])})
        console.print(f"{job['id']}  {job['width']}x{job['height']}  seed {job['seed']}", highlight=False)
        [job] = wait_for(client, [job], console, cancel_on_interrupt=cancel_on_interrupt)
        if demo_model.is_demo(job.get("revision")):
            click.echo(demo_model.NOTE, err=True)
        for line in map(_text_line, job["images"]):
            if line:
                console.print(line, highlight=False, markup=False)
        paths = _written(client, job, out, as_json=as_json)
    check([job])
    if is_opened:
        open_pictures(paths)


def _text_line(image: Json) -> str | None:
    """Returns a line about the text check of a picture; None if it has none."""
    check = image.get("text_check")
    if not check:
        return None
    found = check["error"]["message"] if check["error"] else f"reads {check['read']!r}"
    verdict = "right" if check["matches"] else "not checked" if check["matches"] is None else "wrong"
    how = f"{check['redraws']} redraws, seed {image['seed']}"
    return f"text of picture {image['index']}: {verdict}; {found} ({how})"


def _prompt(given: str | None) -> str:
    """Returns the prompt: the argument, or stdin for `-`. Raises `UsageError` if there is none."""
    if given not in (None, "-"):
        return str(given)
    if sys.stdin is None or (given is None and sys.stdin.isatty()):
        raise click.UsageError("no prompt: give PROMPT, or - to read it from stdin")
    try:
        text = sys.stdin.buffer.read().decode().strip()
    except UnicodeDecodeError as error:
        raise Failure("the prompt on stdin is not UTF-8 text") from error
    if not text:
        raise click.UsageError("no prompt: PROMPT is missing, and stdin is empty")
    return text


def _written(client: Client, job: Json, out: Path, *, as_json: bool) -> list[Path]:
    """Downloads the finished pictures and prints their paths, or the job as JSON. Returns the paths."""
    if out == STDOUT:
        for image in job["images"]:
            if image["url"]:
                click.echo(client.picture_of(job["id"], image["index"]), nl=False)
        return []
    paths = []
    for _, path in download_all(client, job, out, stem=job["id"]):
        click.echo(os.fsencode(path), err=as_json)
        paths.append(path)
    if as_json:
        print_json(job)
    return paths
