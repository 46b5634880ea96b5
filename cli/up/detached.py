"""Runs `gridpress up` in the background: starts it as a process of its own, and waits until it is ready."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
from click.core import ParameterSource
from rich.console import Console

from cli.errors import Unavailable
from cli.options import data_hint
from cli.stack.processes.readiness import ReadyFile

_POLL_S = 0.2
_LAST_LINES = 8
_DETACH = "is_detached"


def arguments_again(context: click.Context) -> list[str]:
    """Returns the options of the current command as they were typed, except `--detach`."""
    typed: list[str] = []
    for option in context.command.params:
        name, value = option.name or "", context.params.get(option.name or "")
        if name == _DETACH or context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        typed += [option.opts[0]] if value is True else [option.opts[0], str(value)]
    return typed


def run_detached(arguments: Sequence[str], data_dir: Path, url: str) -> None:
    """Starts `gridpress up` in the background and returns when it is ready. It writes to `run/up.log`.

    Raises `Unavailable` with the last lines of this log when it does not start. Ctrl-C ends only the waiting.
    """
    run_dir = data_dir / "run"
    run_dir.mkdir(parents=True, exist_ok=True)
    ready, log = ReadyFile(run_dir / "up.ready"), run_dir / "up.log"
    ready.reset()
    command = (sys.executable, "-P", "-m", "cli.main", "up", *arguments)
    with log.open("ab") as file:
        start = file.tell()
        process = subprocess.Popen(  # noqa: S603 - our own command, no shell
            command,
            env={**os.environ, "GRIDPRESS_READY_FILE": str(ready.path)},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        with Console(stderr=True).status(f"starting; the log is {log}"):
            _wait(process, ready, log, start)
    except KeyboardInterrupt:
        raise Unavailable(f"process {process.pid} goes on starting: its log is {log}") from None
    click.echo(f"Gridpress is ready at {url}  (process {process.pid}; stop it: gridpress stop{data_hint(data_dir)})")


def _wait(process: "subprocess.Popen[bytes]", ready: ReadyFile, log: Path, start: int) -> None:
    while not ready.is_ready():
        if process.poll() is not None:
            with log.open("rb") as file:
                file.seek(start)
                lines = file.read().decode(errors="replace").splitlines()
            raise Unavailable("\n  ".join(["the service did not start:", *lines[-_LAST_LINES:]]))
        time.sleep(_POLL_S)
