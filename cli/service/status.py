"""Implements `gridpress status`: whether a service is ready, and the load of its stages."""

from pathlib import Path

import click

from cli.client import Client, Json
from cli.errors import Failure
from cli.keys.options import data_option
from cli.options import url_option
from cli.output.answers import json_option, print_json
from cli.output.tables import Cell, print_table
from cli.service.address import asked_url
from cli.service.running import running_url, supervisor_pid
from shared.jobs.states import Stage

_NAMES = {Stage.AR: "AR", Stage.DIT: "DiT"}


@click.command()
@json_option
@data_option
@url_option
@click.pass_context
def status(context: click.Context, as_json: bool, data_dir: Path, url: str) -> None:
    """Show whether the service is ready, and the workers and the load of both stages.

    Without --url, asks the service that `gridpress up` runs with the data folder, whatever its port. Once there are API
    keys, the numbers of pictures need one with the scope operator. The exit status is 1 if the service is not ready.
    --json prints the responses of /readyz and /v1/stats.

    \b
    Example:
      gridpress status
    """
    url = asked_url(context, data_dir, url)
    with Client(url) as client:
        ready, stats = client.readiness(), _stats(client)
    if as_json:
        print_json({"ready": ready, "stats": stats})
    else:
        _print(url, supervisor_pid(data_dir) if url == running_url(data_dir) else None, ready, stats)
    if ready["status"] == "unavailable":
        raise Failure("not ready: " + ", ".join(f"{name} {state}" for name, state in _faults(ready)))


def _stats(client: Client) -> Json | None:
    """Returns the load of the stages, or None if the API can't tell it now or needs an API key for it."""
    try:
        return client.stats()
    except Failure:
        return None


def _print(url: str, pid: int | None, ready: Json, stats: Json | None) -> None:
    where = f" (process {pid})" if pid else ""
    click.echo(f"{url}{where}: {'ready' if ready['status'] == 'ok' else ready['status']}")
    access = {"open": "open: no API key exists yet", "keys": "with API keys"}.get(ready["access"], "unknown")
    click.echo(f"access: {access}")
    faults = ("new jobs", ready["intake"]), ("lost data", ready["store_loss"]), ("sealing keys", ready.get("sealing"))
    for name, text in faults:
        if text not in ("ok", None):
            click.echo(f"{name}: {text}")
    for what in ready.get("paused", ()):
        click.echo(f"paused: {what}")
    columns = ("stage", "workers", "slots", "running", "waiting", "backlog")
    loads = stats["stages"] if stats else ready["stages"] or {}
    print_table(columns, (_cells(stage, loads[stage]) for stage in Stage if stage in loads))
    for stage in ready["stalled"]:
        click.echo(f"{_NAMES[Stage(stage)]}: pictures wait and slots are free, but no worker takes them")


def _cells(stage: Stage, load: Json) -> tuple[Cell, ...]:
    backlog = "" if load.get("backlog_s") is None else f"{load['backlog_s']:.0f} s"
    return _NAMES[stage], load["workers"], load["slots"], load.get("running"), load.get("waiting"), backlog


def _faults(ready: Json) -> list[tuple[str, str]]:
    return [(name.replace("_", " "), state) for name, state in ready["checks"].items() if state != "ok"]
