"""Implements `gridpress logs`, which prints the log events of all roles of `gridpress up` in order of time."""

import sys
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import click

from cli.errors import Unavailable
from cli.keys.options import data_option
from cli.logs.files import Event, LogFolder

_POLL_S = 0.2


@click.command()
@click.option("--request-id", help="Only events of this request: the `x-request-id` of its response.")
@click.option("--job", "job_id", help="Only events of this job.")
@click.option("--lines", type=click.IntRange(0), default=100, show_default=True, help="Newest events to show; 0: all.")
@click.option("--follow", "-f", is_flag=True, help="Continue with new events until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON, as they were logged.")
@data_option
def logs(
    *, request_id: str | None, job_id: str | None, lines: int, follow: bool, as_json: bool, data_dir: Path
) -> None:
    """Show the log events of all processes of `gridpress up`, in order of time.

    \b
    Examples:
      gridpress logs --follow
      gridpress logs --job job_01k9e4m3c6x2s8q5v7w1t0z9ab
      gridpress logs --request-id req_3f0c6d7e8a91
    """
    run_dir = data_dir / "run"
    if not run_dir.is_dir():
        raise Unavailable(f"no logs in {run_dir}: give the data folder of `gridpress up` with --data")
    asked = {"request_id": request_id, "job_id": job_id}
    wanted = {name: value for name, value in asked.items() if value is not None}
    folder = LogFolder(run_dir)
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
