"""Options of a batch as a whole, as fields of `POST /v1/batches`."""

import functools
import re
from collections.abc import Callable
from typing import Any

import click

from shared.jobs.spec import Quality

PRIORITIES = click.Choice(["low", "normal", "batch", "high", "interactive"])
_TIME = re.compile(r"([1-9][0-9]{0,4})([hd])")
_UNIT_S = {"h": 3600, "d": 24 * 3600}


def _seconds(_: click.Context, __: click.Parameter, text: str | None) -> int | None:
    """How long may be asked for, the service says."""
    if text is None:
        return None
    if not (found := _TIME.fullmatch(text)):
        raise click.BadParameter(f"{text} is no number of hours or days, such as 12h or 30d")
    return int(found[1]) * _UNIT_S[found[2]]


_OPTIONS = (
    click.option("--size", metavar="WxH", help="Of lines that name none."),
    click.option("--steps", "num_inference_steps", type=int, help="Denoise steps of lines that name none."),
    click.option("--quality", type=click.Choice([kind.value for kind in Quality]), help="Of lines that name none."),
    click.option("--seed", type=int, help="Line i without a seed uses SEED + i, from 0."),
    click.option(
        "--priority", type=PRIORITIES, help="Which of your batches goes first; interactive: as single pictures."
    ),
    click.option("--finish-by", metavar="TIME", help="Of your batches, the earliest goes first: 2026-01-05T09:30:00Z."),
    click.option("--deadline", metavar="TIME", help="What is not drawn by then expires: 2026-01-05T09:30:00Z."),
    click.option("--webhook-url", metavar="URL", help="Told when the batch is over."),
    click.option(
        "--delete-after",
        "delete_after_s",
        metavar="TIME",
        callback=_seconds,
        help="12h or 30d after its end the service deletes the batch, its jobs and its pictures.",
    ),
    click.option("--strict", is_flag=True, help="Draw nothing when a single line is wrong."),
)
_OF_LINES = ("size", "num_inference_steps", "quality", "seed")
_OF_BATCH = ("priority", "finish_by", "deadline", "webhook_url", "delete_after_s", "strict")


def setting_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options; the command gets the fields that were given, as `settings`."""

    @functools.wraps(command)
    def with_settings(**given: Any) -> None:
        asked = {name: given.pop(name) for name in (*_OF_LINES, *_OF_BATCH)}
        command(settings=_fields(asked), **given)

    decorated: Callable[..., None] = with_settings
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def _fields(asked: dict[str, Any]) -> dict[str, Any]:
    defaults = {name: asked[name] for name in _OF_LINES if asked[name] is not None}
    fields = {name: asked[name] for name in _OF_BATCH if asked[name]}
    return fields | ({"defaults": defaults} if defaults else {})
