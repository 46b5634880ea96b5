"""Implements `gridpress ps`, which lists the workers of a service, or the processes of the service on this machine."""

from pathlib import Path

import click

from cli.client import Client, Json
from cli.doctor.findings import gib
from cli.errors import Unavailable
from cli.keys.options import data_option
from cli.options import url_option
from cli.output.answers import json_option, print_json, utc_option
from cli.output.tables import Cell, print_table
from cli.output.times import in_utc
from cli.service.address import asked_url, not_running
from cli.service.running import RunningProcess, processes, supervisor_pid

_NAMES = {"ar": "AR", "dit": "DiT"}


@click.command()
@click.option("--processes", "of_machine", is_flag=True, help="List the processes of `gridpress up` on this machine.")
@json_option
@utc_option
@data_option
@url_option
@click.pass_context
def ps(context: click.Context, /, *, of_machine: bool, as_json: bool, utc: bool, data_dir: Path, url: str) -> None:
    """List the workers of both stages: device, slots, largest picture, seconds of a step, and what they render.

    Worker ids and numbers of renders need an API key with the scope operator, once there are API keys. Of the pictures,
    only yours are named.
    With --processes, lists the processes on this machine instead: pid, state, start and memory.

    \b
    Examples:
      gridpress ps
      gridpress ps --processes --data /var/lib/gridpress
    """
    if of_machine:
        _print_processes(data_dir, as_json=as_json, utc=utc)
        return
    with Client(asked_url(context, data_dir, url)) as client:
        found = client.workers()
    if as_json:
        print_json(found)
        return
    print_table(
        ("stage", "device", "slots", "renders", "largest", "step s", "worker", "pictures"), map(_worker, found["data"])
    )


def _worker(each: Json) -> tuple[Cell, ...]:
    pictures = " ".join(f"{held['job_id']}:{held['index']}{_steps(held['progress'])}" for held in each["held"])
    device = f"{each['device'] or 'unknown'}{' (draining)' if each['is_draining'] else ''}"
    step = "" if each["step_s"] is None else f"{each['step_s']:g}"
    largest = each["sizes"][-1]["picture"] if each.get("sizes") else ""  # an earlier release names none
    return _NAMES[each["stage"]], device, each["slots"], each["num_held"], largest, step, each["id"], pictures


def _steps(progress: Json | None) -> str:
    return f" {progress['done']}/{progress['total']}" if progress else ""


def _print_processes(data_dir: Path, *, as_json: bool, utc: bool) -> None:
    if supervisor_pid(data_dir) is None:
        raise Unavailable(not_running(data_dir))
    found = list(processes(data_dir))
    if as_json:
        print_json([_fields(each) for each in found])
        return
    print_table(("process", "pid", "state", "started", "memory", "worker"), map(_cells, found), utc=utc)


def _cells(each: RunningProcess) -> tuple[Cell, ...]:
    memory = "" if each.memory_bytes is None else gib(each.memory_bytes)
    return each.name, each.pid, _state(each), each.started_at, memory, each.worker_id


def _fields(each: RunningProcess) -> dict[str, object]:
    return {
        "process": each.name,
        "pid": each.pid,
        "state": _state(each),
        "started_at": in_utc(each.started_at),
        "memory_bytes": each.memory_bytes,
        "worker_id": each.worker_id or None,
    }


def _state(each: RunningProcess) -> str:
    return "ready" if each.is_ready else "starting"
