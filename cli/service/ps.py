"""Implements `gridpress ps`, which lists the processes of the service on this machine."""

from pathlib import Path

import click

from cli.doctor.findings import gib
from cli.errors import Unavailable
from cli.keys.options import data_option
from cli.output.answers import print_json, utc_option
from cli.output.tables import Cell, print_table
from cli.output.times import in_utc
from cli.service.running import RunningProcess, processes, supervisor_pid


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@utc_option
@data_option
def ps(as_json: bool, utc: bool, data_dir: Path) -> None:
    """List the processes of `gridpress up` on this machine: workers, API and embedded servers.

    `worker` is the worker id, as log events and dead letters have it. `gridpress status` shows the load of all
    workers, also of those on other machines.

    \b
    Example:
      gridpress ps --data /var/lib/gridpress
    """
    if supervisor_pid(data_dir) is None:
        raise Unavailable(not_running(data_dir))
    found = list(processes(data_dir))
    if as_json:
        print_json([_fields(each) for each in found])
        return
    print_table(("process", "pid", "state", "started", "memory", "worker"), map(_cells, found), utc=utc)


def not_running(data_dir: Path) -> str:
    """Returns the message for a data folder that no service uses now."""
    return f"no service runs with the data folder {data_dir}: name its folder with --data, or start it: `gridpress up`"


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
