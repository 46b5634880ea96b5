"""Implements `gridpress stop`, which ends the service of a data folder in order."""

import os
import time
from pathlib import Path
from signal import SIGTERM

import click
from rich.console import Console

from cli.errors import Failure, Unavailable
from cli.keys.options import data_option
from cli.service.address import not_running
from cli.service.running import supervisor_pid

_POLL_S = 0.1


@click.command()
@click.option(
    "--now", is_flag=True, help="Kill all processes at once. Their renders are continued after the next start."
)
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0), help="Seconds to wait for the end.  [default: no limit]"
)
@data_option
def stop(now: bool, timeout_s: float | None, data_dir: Path) -> None:
    """Stop the `gridpress up` that uses a data folder, like Ctrl-C in its terminal. Waits until it has ended.

    No work is lost: workers hand over what they have begun, and the next start continues.

    \b
    Example:
      gridpress stop --data /var/lib/gridpress
    """
    pid = supervisor_pid(data_dir)
    if pid is None:
        raise Unavailable(not_running(data_dir))
    _signal(pid)
    with Console(stderr=True).status("stopping"):
        _wait(data_dir, pid, timeout_s, is_hurried=now)
    click.echo(f"process {pid} has ended")


def _signal(pid: int) -> None:
    try:
        os.kill(pid, SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise Failure(f"process {pid} belongs to another user: stop it as that user") from error


def _wait(data_dir: Path, pid: int, timeout_s: float | None, *, is_hurried: bool) -> None:
    started_at = time.monotonic()
    while supervisor_pid(data_dir) == pid:
        if timeout_s is not None and time.monotonic() - started_at > timeout_s:
            raise Failure(f"process {pid} still stops after {timeout_s:g} s; `gridpress stop --now` kills it at once")
        time.sleep(_POLL_S)
        if is_hurried:  # any signal that arrives while the supervisor stops its processes kills them
            _signal(pid)
