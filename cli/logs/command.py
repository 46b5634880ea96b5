"""Implements `gridpress logs`, which prints the log events of all roles of `gridpress up` in order of time."""

import sys
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import click

from cli.errors import Failure, Unavailable
from cli.ids import NEWEST
from cli.keys.options import data_option
from cli.logs.files import Event, LogFolder, is_of_role

_POLL_S = 0.2
_SERVERS = ("valkey", "seaweedfs")


@click.command()
@click.argument("roles", metavar="[ROLE]...", nargs=-1)
@click.option("--request-id", help="Only events of this request: the `x-request-id` of its response.")
@click.option("--job", "job_id", help="Only events of this job: its id or the beginning of it, or @last.")
@click.option("--lines", type=click.IntRange(0), default=100, show_default=True, help="Newest events to show; 0: all.")
@click.option("--follow", "-f", is_flag=True, help="Continue with new events until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON, as they were logged.")
@data_option
def logs(
    *,
    roles: tuple[str, ...],
    request_id: str | None,
    job_id: str | None,
    lines: int,
    follow: bool,
    as_json: bool,
    data_dir: Path,
) -> None:
    """Show the log events of all processes of `gridpress up`, in order of time.

    With ROLE, such as dit, or a process, such as dit-1, shows only its events.

    \b
    Examples:
      gridpress logs --follow
      gridpress logs ar dit -f
      gridpress logs --job job_01k9e4m3c6x2s8q5v7w1t0z9ab
      gridpress logs --request-id req_3f0c6d7e8a91
    """
    run_dir = data_dir / "run"
    if not run_dir.is_dir():
        raise Unavailable(f"no logs in {run_dir}: give the data folder of `gridpress up` with --data")
    _check_roles(roles, run_dir)
    if job_id == NEWEST:
        job_id = _newest_job(run_dir)
    asked = {"request_id": request_id, "job_id": job_id}
    wanted = {name: value for name, value in asked.items() if value is not None}
    folder = LogFolder(run_dir, roles)
    show = _EventPrinter(as_json=as_json)
    newest = deque(folder.read(wanted), lines or None)
    for event in newest:
        show(event)
    if not newest:
        click.echo(f"gridpress: {_nothing_found(wanted, run_dir)}", err=True)
    with suppress(KeyboardInterrupt):
        while follow:
            time.sleep(_POLL_S)
            for event in folder.read(wanted):
                show(event)


def _check_roles(roles: tuple[str, ...], run_dir: Path) -> None:
    """Raises `UsageError` for a role that has no log, or whose log is in the format of another program."""
    known = sorted({path.stem.rpartition("-")[0] for path in run_dir.glob("*-*.log")})
    for role in roles:
        if not any(is_of_role(path, role) for path in run_dir.glob("*-*.log")):
            raise click.UsageError(f"no process {role} has a log in {run_dir}; there are: {', '.join(known) or 'none'}")
        if role.partition("-")[0] in _SERVERS:
            name = role if "-" in role else f"{role}-0"
            raise click.UsageError(f"{role} logs in a format of its own: read {run_dir / name}.log")


def _newest_job(run_dir: Path) -> str:
    """Returns the id of the newest job that has a log event. Ids sort by time."""
    ids = [str(event["job_id"]) for event in LogFolder(run_dir).read({}) if "job_id" in event]
    if not ids:
        raise Failure(f"{NEWEST}: no event in {run_dir} is about a job")
    return max(ids)


def _nothing_found(wanted: Mapping[str, str], run_dir: Path) -> str:
    """Returns a message for stderr, which says that no log event was found.

    This is not an error, because a service that has just started has no events.
    """
    if not wanted:
        return f"no events in {run_dir} yet"
    asked = ", ".join(f"{name}={value}" for name, value in wanted.items())
    return f"no event in {run_dir} has {asked}: older events may have been dropped, or are on another machine"


class _EventPrinter:
    """Prints log events as text or as JSON."""

    def __init__(self, *, as_json: bool) -> None:
        from shared.process.logs import as_json as to_json  # noqa: PLC0415 - help loads nothing that it does not need
        from shared.process.logs import as_text  # noqa: PLC0415

        self._to_json = to_json
        self._processors = [] if as_json else as_text(has_colours=sys.stdout.isatty())

    def __call__(self, event: Event) -> None:
        line: object = event
        for process in self._processors:
            line = process(None, "", line)
        text = line if isinstance(line, str) else self._to_json(event)
        click.echo(text.encode(errors="backslashreplace"))  # a lone surrogate has no UTF-8 encoding
