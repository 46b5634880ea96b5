"""Defines the options that say what an API key permits, and converts them to fields of requests of the API."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from cli.keys.options import scope_choice
from cli.output.times import when
from gridpress.client.connection import service_url
from shared.settings.networks import read_network

ANY, NEVER = "any", "never"
_DURATION = re.compile(r"([1-9][0-9]{0,5})(min|h|d)")
_UNIT_S = {"min": 60, "h": 3600, "d": 24 * 3600}


def _service_address(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    try:
        return None if text is None else service_url(text)
    except ValueError as error:
        raise click.BadParameter(f"{text} {error}") from error


def _networks(_: click.Context, __: click.Parameter, texts: Sequence[str]) -> list[str] | None:
    """Returns the networks of `--network`, None without the option, and an empty list for `any`."""
    if ANY in texts:
        _refuse_others(texts)
        return []
    try:
        return [str(read_network(text)) for text in texts] or None
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _models(_: click.Context, __: click.Parameter, texts: Sequence[str]) -> list[str] | None:
    """Returns the names of `--model`, None without the option, and an empty list for `any`."""
    if ANY in texts:
        _refuse_others(texts)
        return []
    return list(texts) or None


def _refuse_others(texts: Sequence[str]) -> None:
    if len(texts) > 1:
        raise click.BadParameter(f"{ANY} means all, so give nothing beside it")


def _duration_s(text: str) -> int | None:
    found = _DURATION.fullmatch(text)
    return int(found[1]) * _UNIT_S[found[2]] if found else None


def _end(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """Returns a time as RFC 3339 text for `--expires`, and `never` unchanged."""
    if text is None or text == NEVER:
        return text
    seconds = _duration_s(text)
    if seconds is not None:
        return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")
    try:
        moment = when(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise click.BadParameter(
            f"{text} is not {NEVER}, a duration such as 12h or 30d, or a time such as 2027-01-01T00:00:00Z"
        )
    return moment.isoformat()


def _overlap_s(_: click.Context, __: click.Parameter, text: str) -> int:
    seconds = 0 if text == "0" else _duration_s(text)
    if seconds is None:
        raise click.BadParameter(f"{text} is not 0 or a duration such as 30min, 12h or 7d")
    return seconds


service_option = click.option(
    "--url",
    callback=_service_address,
    help="Ask the API at this address, with the API key of GRIDPRESS_API_KEY.  [default: use the store itself]",
)
overlap_option = click.option(
    "--overlap",
    "overlap_s",
    default="1d",
    show_default=True,
    callback=_overlap_s,
    help="Time for which the old API key still works: 0, or 30min, 12h, 7d.",
)
expires_option = click.option(
    "--expires",
    "expires_at",
    callback=_end,
    help="When the API key ends: 30min, 12h, 30d, a time such as 2027-01-01T00:00:00Z, or never.",
)
_RESTRICTIONS = (
    click.option("--name", help="What the API key is for, in your words."),
    click.option(
        "--network",
        "networks",
        multiple=True,
        callback=_networks,
        help="Network (CIDR) or address from which the API key works; repeatable; any: from everywhere.",
    ),
    click.option(
        "--model",
        "models",
        multiple=True,
        callback=_models,
        help="Model with which the API key renders; repeatable; any: with all.",
    ),
    expires_option,
)


def rights_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options for the name, the restrictions and the end of an API key to a click command."""
    for option in reversed(_RESTRICTIONS):
        command = option(command)
    return command


changed_scopes_option = click.option(
    "--scope", "scopes", multiple=True, type=scope_choice, help="What the API key permits from now on; repeatable."
)


def fields_of_options(given: dict[str, Any]) -> dict[str, Any]:
    """Returns the fields of a request from the options that were given. `never` and `any` become null."""
    fields = {name: value for name, value in given.items() if value is not None and value != ()}
    if "scopes" in fields:
        fields["scopes"] = list(fields["scopes"])
    return {name: None if value in (NEVER, []) and name != "scopes" else value for name, value in fields.items()}
