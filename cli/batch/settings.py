"""Defines the command line options that apply to a whole batch, and converts them to fields of `POST /v1/batches`."""

import functools
import re
from collections.abc import Callable
from typing import Any

import click

from cli.requests import in_options
from shared.jobs.spec import Quality

PRIORITIES = click.Choice(["low", "normal", "batch", "high", "interactive"])
_TIME = re.compile(r"([1-9][0-9]{0,4})([hd])")
_UNIT_S = {"h": 3600, "d": 24 * 3600}


def _seconds(_: click.Context, __: click.Parameter, text: str | None) -> int | None:
    """Converts a duration such as `12h` or `30d` to seconds. The service checks whether the duration is permitted."""
    if text is None:
        return None
    if not (found := _TIME.fullmatch(text)):
        raise click.BadParameter(f"{text} is not a number of hours or days, such as 12h or 30d")
    return int(found[1]) * _UNIT_S[found[2]]


_OPTIONS = (
    click.option("--model", help="Model of lines that name none."),
    click.option("--size", metavar="WxH", help="Picture size of lines without one."),
    click.option("--steps", "num_inference_steps", type=int, help="Denoise steps of lines without a number."),
    click.option(
        "--quality", type=click.Choice([kind.value for kind in Quality]), help="Quality of lines without one."
    ),
    click.option(
        "--reuse", is_flag=True, help="Copy your pictures of equal requests that also had --reuse. Needs seeds."
    ),
    click.option("--seed", type=int, help="Line i, counted from 0, uses SEED + i if it has no seed."),
    click.option(
        "--priority", type=PRIORITIES, help="high goes before normal; interactive: as urgent as single pictures."
    ),
    click.option(
        "--finish-by",
        metavar="TIME",
        help="Desired end, such as 2026-01-05T09:30:00Z. Of your batches, the earliest goes first.",
    ),
    click.option(
        "--deadline", metavar="TIME", help="Lines that are not rendered by this time expire: 2026-01-05T09:30:00Z."
    ),
    click.option("--webhook-url", metavar="URL", help="URL that gets a webhook when the batch has ended."),
    click.option(
        "--delete-after",
        "delete_after_s",
        metavar="TIME",
        callback=_seconds,
        help="Time after its end when the service deletes the batch, its jobs and its pictures: 12h or 30d.",
    ),
    click.option(
        "--output-prefix",
        metavar="NAME",
        help="Also copy each picture, named after its custom_id, into a folder NAME of the object store.",
    ),
    click.option("--strict", is_flag=True, help="Render nothing if any line is invalid."),
)
# The options that the API's names of fields stand for.
OPTION_NAMES = {
    "model": "--model",
    "size": "--size",
    "num_inference_steps": "--steps",
    "quality": "--quality",
    "reuse": "--reuse",
    "seed": "--seed",
    "priority": "--priority",
    "finish_by": "--finish-by",
    "deadline": "--deadline",
    "webhook_url": "--webhook-url",
    "delete_after_s": "--delete-after",
    "output_prefix": "--output-prefix",
    "strict": "--strict",
}
_OF_LINES = ("model", "size", "num_inference_steps", "quality", "reuse", "seed")
_OF_BATCH = ("priority", "finish_by", "deadline", "webhook_url", "delete_after_s", "output_prefix", "strict")


def setting_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of a batch, such as `--priority`, to a click command.

    The command receives them in one argument, `settings`, as fields of the request that creates the batch.
    """

    @functools.wraps(command)
    def with_settings(**given: Any) -> None:
        asked = {name: given.pop(name) for name in (*_OF_LINES, *_OF_BATCH)}
        with in_options(OPTION_NAMES):
            command(settings=_fields(asked), **given)

    decorated: Callable[..., None] = with_settings
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def _fields(asked: dict[str, Any]) -> dict[str, Any]:
    defaults = {name: asked[name] for name in _OF_LINES if asked[name] is not None and asked[name] is not False}
    fields = {name: asked[name] for name in _OF_BATCH if asked[name]}
    return fields | ({"defaults": defaults} if defaults else {})
