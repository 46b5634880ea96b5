"""Implements `gridpress admin workers`, `drain` and `undrain`."""

import time
from collections.abc import Iterator

import click

from cli.client import Client, Json
from cli.options import url_option
from cli.output.answers import json_option, print_answer, print_json, utc_option
from cli.output.tables import Cell, print_table
from cli.output.times import when
from cli.requests import in_options

_POLL_S = 2.0
_COLUMNS = ("worker", "stage", "state", "since", "device", "revision", "slots", "step s", "held", "pictures")
_worker = click.argument("worker_id", metavar="WORKER")


@click.command()
@json_option
@utc_option
@url_option
def workers(as_json: bool, utc: bool, url: str) -> None:
    """List the live workers: state, device, model revision, slots, and the pictures of all tenants that they hold.

    Needs an API key with the scope `operator`. `gridpress ps` is the same for a tenant.

    \b
    Example:
      gridpress admin workers
    """
    with Client(url) as client:
        found = client.workers()
    if as_json:
        print_json(found)
        return
    print_table(_COLUMNS, _rows(found["data"]), prose=True, utc=utc)


@click.command()
@_worker
@click.option("--reason", default="", help="Why. Only operators read it.")
@click.option("--wait", is_flag=True, help="Wait until the worker holds nothing any more.")
@json_option
@url_option
def drain(*, worker_id: str, reason: str, wait: bool, as_json: bool, url: str) -> None:
    """Drain one worker: it claims nothing any more, ends or hands back what it holds, and then stays idle.

    The drain ends by `gridpress admin undrain`, or with the process of the worker. Needs an API key with the scopes
    `admin` and `operator`.

    \b
    Example:
      gridpress admin drain dit-render-1-4711-0a1b2c3d --reason "this GPU is too hot" --wait
    """
    with Client(url) as client, in_options({"reason": "--reason"}):
        found = client.drain(worker_id, reason)
        while wait and _is_holding(client, worker_id):
            time.sleep(_POLL_S)
    print_answer(found, f"{worker_id} {'holds nothing any more' if wait else 'drains'}", as_json=as_json)


@click.command()
@_worker
@url_option
def undrain(worker_id: str, url: str) -> None:
    """End the drain of a worker. It claims again within seconds.

    \b
    Example:
      gridpress admin undrain dit-render-1-4711-0a1b2c3d
    """
    with Client(url) as client:
        client.end_drain(worker_id)
    click.echo(f"{worker_id} claims again")


def _is_holding(client: Client, worker_id: str) -> bool:
    found = [each for each in client.workers()["data"] if each["id"] == worker_id]
    return any(each["num_held"] for each in found)


def _rows(found: list[Json]) -> Iterator[tuple[Cell, ...]]:
    for each in found:
        pictures = " ".join(f"{held['tenant']}/{held['job_id']}:{held['index']}" for held in each["held"])
        step = "" if each["step_s"] is None else f"{each['step_s']:g}"
        since = when(each["drain"]["since"]) if each["drain"] else None
        what = (each["device"], each["revision"], each["slots"], step, each["num_held"], pictures)
        yield each["id"], each["stage"], each["state"], since, *what
