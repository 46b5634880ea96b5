"""Implements `gridpress admin models` and `gridpress admin model`."""

from collections.abc import Iterator
from typing import Any

import click

from cli.client import Client, Json
from cli.options import url_option
from cli.output.answers import json_option, print_answer, print_json
from cli.output.tables import Cell, print_table
from cli.requests import in_options
from shared.jobs.spec import Quality

_COLUMNS = ("model", "revision", "workers", "state", "share", "defaults")
_DEFAULTS = {
    "size": "--size",
    "num_inference_steps": "--steps",
    "guidance_scale": "--guidance",
    "quality": "--quality",
}
_OPTIONS = {
    "model": "MODEL",
    "canary.revision": "--canary",
    "canary.percent": "--percent",
    **{f"defaults.{name}": option for name, option in _DEFAULTS.items()},
}


@click.command()
@json_option
@url_option
def models(as_json: bool, url: str) -> None:
    """List the models with their revisions, canary shares and defaults.

    `main` marks the revision that new jobs outside a share go to. Needs an API key with the scope `operator`.

    \b
    Example:
      gridpress admin models
    """
    with Client(url) as client:
        found = client.models()
    if as_json:
        print_json(found)
        return
    print_table(_COLUMNS, _rows(found["data"]), prose=True)


@click.command()
@click.argument("model")
@click.option("--canary", "revision", metavar="REVISION", help="Give a share of the new jobs to this revision.")
@click.option("--percent", type=float, help="The share, in percent of the new jobs; with --canary.")
@click.option("--no-canary", is_flag=True, help="End the share.")
@click.option("--size", metavar="WxH", help="Default size.")
@click.option("--steps", "num_inference_steps", type=int, help="Default number of denoise steps.")
@click.option("--guidance", "guidance_scale", type=float, help="Default guidance scale.")
@click.option("--quality", type=click.Choice([each.value for each in Quality]), help="Default quality.")
@click.option("--no-defaults", is_flag=True, help="Remove all defaults.")
@click.option("--waits/--no-waits", default=None, help="Accept requests while no worker serves the model, or don't.")
@json_option
@url_option
def model(
    *,
    model: str,
    revision: str | None,
    percent: float | None,
    no_canary: bool,
    no_defaults: bool,
    waits: bool | None,
    as_json: bool,
    url: str,
    **defaults: Any,
) -> None:
    """Change what counts for new jobs of MODEL: a canary share, the defaults, and whether requests wait for workers.

    What no option names stays as it is. The share of a job follows from its id, so a larger share has all jobs of a
    smaller one. Needs an API key with the scopes `admin` and `operator`.

    \b
    Examples:
      gridpress admin model glm-image --canary a1b2c3d --percent 5
      gridpress admin model glm-image --no-canary
      gridpress admin model acme/Painter --steps 30 --size 1152x1024
    """
    if (revision is None) != (percent is None) or (revision and no_canary):
        raise click.UsageError("--canary and --percent go together, and not with --no-canary")
    given = {name: value for name, value in defaults.items() if value is not None}
    if given and no_defaults:
        raise click.UsageError("--no-defaults removes all defaults: give none with it")
    changes: dict[str, Any] = {}
    if revision or no_canary:
        changes["canary"] = {"revision": revision, "percent": percent} if revision else None
    if given or no_defaults:
        changes["defaults"] = given or None
    if waits is not None:
        changes["waits"] = waits
    if not changes:
        raise click.UsageError("name what to change; `gridpress admin models` shows what is set")
    with Client(url) as client, in_options(_OPTIONS):
        found = client.change_model(model, changes)
    print_answer(
        found, f"{found['model']}: {_share(found['canary'])}, {_words(found) or 'no defaults'}", as_json=as_json
    )


def _rows(found: list[Json]) -> Iterator[tuple[Cell, ...]]:
    for each in found:
        canary, words = each["canary"], _words(each)
        rows = each["revisions"] or [{"revision": "-", "num_workers": 0, "is_paused": False}]
        for row in rows:
            is_main = row["revision"] == each["main_revision"]
            state = "paused" if row["is_paused"] else "main" if is_main else ""
            share = f"{canary['percent']:g} %" if canary and canary["revision"] == row["revision"] else ""
            yield each["model"], row["revision"], row["num_workers"], state, share, words


def _share(canary: Json | None) -> str:
    return f"{canary['percent']:g} % of new jobs go to {canary['revision']}" if canary else "no canary share"


def _words(found: Json) -> str:
    """Returns the defaults of a model as one text, such as `30 steps`; '' without any."""
    set_ones = ((option[2:], found["defaults"][name]) for name, option in _DEFAULTS.items())
    texts = [f"{option} {value}" for option, value in set_ones if value is not None]
    return ", ".join([*texts, *(["waits"] if found["waits"] else [])])
