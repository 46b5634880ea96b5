"""Shows how many lines of a batch have ended and how many are downloaded, with the rate and the time left."""

from datetime import timedelta
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from cli.client import Json

_RATE_PERIOD_S = 120.0  # the rate is an average over this time, because a picture takes seconds to minutes


class _Rate(ProgressColumn):
    """A column of a progress bar: the lines per minute, averaged over the last two minutes."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{60 * speed:.0f}/min" if speed else "")


class _Remaining(ProgressColumn):
    """A column of a progress bar: the time left.

    This is the service's estimate. Without one, it is computed from the bar's own rate.
    """

    def render(self, task: Task) -> Text:
        left_s = task.time_remaining if task.fields["eta_s"] is None else task.fields["eta_s"]
        return Text("" if left_s is None or task.finished else f"ETA {timedelta(seconds=round(left_s))}")


class BatchBars:
    """Shows two progress bars for a batch: the lines that have ended, and the lines that are downloaded.

    The rate of a bar leaves out the lines that an earlier run did: those that were done when the bar was first shown.
    """

    def __init__(self, num_lines: int, console: Console) -> None:
        bars = TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), _Rate()
        self._progress = Progress(
            *bars, TimeElapsedColumn(), _Remaining(), console=console, speed_estimate_period=_RATE_PERIOD_S
        )
        self._num_lines = num_lines
        self._bars: tuple[TaskID, TaskID] | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, batch: Json, num_fetched: int) -> None:
        """Updates both progress bars to the current state of `batch`.

        `num_fetched` is the number of lines whose results are recorded, including failed lines.
        """
        counts = batch["request_counts"]
        num_ended = counts["completed"] + counts["failed"]
        if self._bars is None:
            self._bars = self._bar("ended", num_ended), self._bar("fetched", num_fetched)
        self._progress.update(self._bars[0], description=_status_text(batch), completed=num_ended, eta_s=batch["eta_s"])
        self._progress.update(self._bars[1], completed=num_fetched)

    def _bar(self, name: str, completed: int) -> TaskID:
        return self._progress.add_task(name, total=self._num_lines, completed=completed, eta_s=None)


def _status_text(batch: Json) -> str:
    """Returns the text beside a progress bar: the batch's status, or the reason why a running batch waits."""
    if batch["status"] != "in_progress":
        return str(batch["status"])
    if batch["paused"]:
        return "paused"
    why = batch["waiting_for"]
    return f"waits: {why}" if why else "in progress"
