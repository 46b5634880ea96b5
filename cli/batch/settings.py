"""Options of a batch as a whole, as fields of `POST /v1/batches`."""

import functools
from collections.abc import Callable
from typing import Any

import click

from shared.job_spec import Priority, Quality

_OPTIONS = (
    click.option("--size", metavar="WxH", help="Of lines that name none."),
    click.option("--steps", "num_inference_steps", type=int, help="Denoise steps of lines that name none."),
    click.option("--quality", type=click.Choice([kind.value for kind in Quality]), help="Of lines that name none."),
    click.option("--seed", type=int, help="Line i without a seed uses SEED + i, from 0."),
    click.option("--priority", type=click.Choice([kind.value for kind in Priority]), help="Of the whole batch."),
    click.option("--deadline", metavar="TIME", help="What is not drawn by then expires: 2026-01-05T09:30:00Z."),
    click.option("--strict", is_flag=True, help="Draw nothing when a single line is wrong."),
)
_OF_LINES = ("size", "num_inference_steps", "quality", "seed")
_OF_BATCH = ("priority", "deadline", "strict")


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
