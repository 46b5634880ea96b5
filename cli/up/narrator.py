"""Prints the progress of `gridpress up`: a spinner on a terminal, otherwise plain lines. Prints one line when ready."""

import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Self

import click
from rich.console import Console
from rich.markup import escape

from cli.stack.processes.supervised_role import Died, Event, Hindered, Ready
from gridpress.client.connection import DEFAULT_URL
from shared.errors import GridpressError
from shared.process.ready_file import start_file
from shared.schedule.starting_worker import StartingWorker

_CLOCK, _DATE_AND_CLOCK = "%H:%M:%S", "%Y-%m-%d %H:%M:%S"  # local time; a log file needs the date
_CRASH_LOOP = 3  # after so many ends in a row, the message says that the role keeps ending
_PERCENT_A_LINE = 10  # in a log file, not on a terminal
_FIRST_PROMPT = 'render "a red star on a blue background" --size 256x256 --out star.png'


class Narrator:
    """Prints the events of the supervised roles on stderr. When all roles are ready, prints one line on stdout."""

    def __init__(
        self,
        console: Console,
        run_dir: Path,
        url: str,
        ready_file: Path | None,
        note: Callable[[], str | None] = lambda: None,
        *,
        metrics_url: str = "",
    ) -> None:
        """Creates the object that prints the progress of `gridpress up`.

        When all roles are ready, touches `ready_file`, for programs that wait for the service. Then calls `note`, and
        prints the line that it returns. Ignores None and a `GridpressError`.
        """
        self._console = console
        self._run_dir = run_dir
        self._url = url
        self._ready_file = ready_file
        self._note = note
        self._metrics_url = metrics_url
        self._status = console.status("starting")
        self._was_ready = False
        self._said: dict[str, tuple[str, int]] = {}

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError, SystemExit):  # Rich raises SystemExit for a closed pipe
            self._status.stop()

    def on_waiting(self, roles: list[str]) -> None:
        starts = {role: _start_of(self._run_dir, role) for role in roles}
        self._status.update(f"starting: waiting for {', '.join(_waiting(*start) for start in starts.items())}")
        if not self._console.is_terminal:
            self._say_starts({role: start for role, start in starts.items() if start})

    def _say_starts(self, starts: Mapping[str, StartingWorker]) -> None:
        """Prints a line for a worker when its phase changes, and after each tenth of the phase."""
        for role, start in starts.items():
            mark = start.phase, (start.percent or 0) // _PERCENT_A_LINE
            if self._said.get(role) != mark:
                self._said[role] = mark
                self._say(f"{role} is {start.words}")

    def on_event(self, event: Event) -> None:
        match event:
            case Ready(role):
                self._say(f"{role} is {'back' if self._was_ready else 'ready'}")
            case Died():
                self._say_died(event)
            case Hindered(role, reason):
                self._say(f"{role} {reason}" if reason else f"{role}: the problem is over")

    def on_ready(self) -> None:
        self._was_ready = True
        self._status.stop()
        where = "" if self._url == DEFAULT_URL else f" --url {self._url}"
        click.echo(f"Gridpress is ready at {self._url}  (try: {_program()} {_FIRST_PROMPT}{where})")
        self._say(f"Studio, in a browser: {self._url}/studio")
        if self._metrics_url:
            self._say(f"Metrics of all roles: {self._metrics_url}")
        with suppress(GridpressError):  # the store is unreachable again, which the supervisor reports
            if note := self._note():
                self._say(note)
        if self._ready_file:
            self._ready_file.touch()

    def on_stopping(self) -> None:
        self._say("stopping everything (press Ctrl-C again to kill it at once)")

    def _say_died(self, event: Died) -> None:
        log = self._run_dir / f"{event.role}.log"
        if event.is_hopeless and event.num_in_a_row == 1:  # `run` may stop now, and then reports the reason
            self._say("\n".join((f"The end of {log}:", *event.last_lines)))
            return
        says_more = event.last_lines and not event.is_explained
        why = f"{event.reason}: {event.last_lines[-1]}" if says_more else event.reason
        keeps_ending = event.num_in_a_row >= _CRASH_LOOP
        ended = f"keeps ending, {event.num_in_a_row} times in a row" if keeps_ending else "ended"
        self._say(f"{event.role} {ended} ({why}); starting it again in {event.retry_in_s:g} s; its log: {log}")

    def _say(self, line: str) -> None:
        at = datetime.now().astimezone().strftime(_CLOCK if self._console.is_terminal else _DATE_AND_CLOCK)
        self._console.print(f"[dim]{at}[/dim]  {escape(line)}", highlight=False, soft_wrap=True)


def _start_of(run_dir: Path, role: str) -> StartingWorker | None:
    """Returns how far the start of a worker is, or None for a process that says nothing about it."""
    try:
        return StartingWorker.of_json(start_file(run_dir / f"{role}.ready").read_text())
    except (OSError, ValueError):
        return None


def _waiting(role: str, start: StartingWorker | None) -> str:
    return f"{role} ({start.words})" if start else role


def _program() -> str:
    """Returns the command to show in hints: `gridpress`, or its path if it is not on the PATH, as with `make up`."""
    is_module = sys.argv[0].endswith(".py")  # python -m cli.main, as `up --detach` starts it
    return "gridpress" if is_module or shutil.which("gridpress") else sys.argv[0]
