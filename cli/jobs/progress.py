"""Shows how far jobs are: their place in the queue, and progress bars for the steps of both stages."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from cli.client import FINAL, Json
from shared.geometry import num_decode_steps
from shared.jobs.states import RenderState

_STAGES = {"ar": "AR", "dit": "DiT"}


def steps_in_all(jobs: Iterable[Json]) -> tuple[int, int]:
    """Returns the numbers of decode steps and of denoise steps that these jobs need in total.

    Computes them from the requests alone.
    """
    decode = denoise = 0
    for job in jobs:
        decode += job["n"] * _decode_steps(job)
        denoise += job["n"] * job["num_inference_steps"]
    return decode, denoise


def steps_done(jobs: Iterable[Json]) -> tuple[int, int]:
    """Returns the numbers of decode steps and of denoise steps that these jobs have done so far.

    A picture that failed, was cancelled, expired or was rejected counts as zero steps.
    """
    decode = denoise = 0
    for job in jobs:
        for image in job["images"]:
            done = (image["progress"] or {"done": 0})["done"]
            match RenderState(image["status"]):
                case RenderState.PRIOR_RUNNING:
                    decode += done
                case RenderState.PRIOR_READY:
                    decode += _decode_steps(job)
                case RenderState.DECODE_RUNNING:
                    decode, denoise = decode + _decode_steps(job), denoise + done
                case RenderState.CHECKING | RenderState.SUCCEEDED:
                    decode, denoise = decode + _decode_steps(job), denoise + job["num_inference_steps"]
    return decode, denoise


def _decode_steps(job: Json) -> int:
    return num_decode_steps(job["width"], job["height"], is_edit=job["num_condition_images"] > 0)


def outlook(jobs: Sequence[Json]) -> str:
    """Returns a line that says what the jobs wait for: the place in the queue and the expected time, or ''.

    With several jobs, it is the line of the first that has not ended.
    """
    job = next((job for job in jobs if job["status"] not in FINAL), None)
    if job is None:
        return ""
    if job.get("waiting_for") == "object_store":
        return "waits: the service can't store pictures now"
    if pause := job.get("paused"):
        return f"waits: {pause['kind']} {pause['name']} is paused{': ' if pause['reason'] else ''}{pause['reason']}"
    queue, eta_s = job.get("queue"), job.get("eta_s")
    if not queue:
        return f"about {_duration(eta_s)} left" if eta_s else ""
    return f"waits: {_in_queue(queue)}"


def _in_queue(queue: Json) -> str:
    if queue.get("reason"):
        return str(queue["reason"])
    if queue["unserved"]:
        stages = " and no ".join(f"{_STAGES[stage]} worker" for stage in queue["unserved"])
        return f"no {stages} with the model of this job is running"
    text = f"{_place(queue['position'])} in the {_STAGES[queue['stage']]} queue"
    return f"{text}, done in about {_duration(queue['eta_s'])}" if queue["eta_s"] is not None else text


def _place(num_before: int) -> str:
    if num_before == 0:
        return "next"
    return f"{num_before} picture{'s' * (num_before != 1)} before it"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 6000 else f"{round(seconds / 3600)} h"


class _Bars(Progress):
    """Progress bars below a line of text. Without a text there is no line."""

    note = ""

    def get_renderables(self) -> Iterator[RenderableType]:
        if self.note:
            yield Text(self.note, style="dim")
        yield from super().get_renderables()


class StageBars:
    """Shows progress bars for several jobs together: one for each stage, and one for finished pictures.

    Above the bars is a line with the place in the queue and the expected time. If the console is no terminal, prints a
    line whenever a job changes its status or stage.
    """

    def __init__(self, jobs: Iterable[Json], console: Console) -> None:
        accepted = list(jobs)
        decode, denoise = steps_in_all(accepted)
        self._said: dict[str, str] = {}
        self.progress = _Bars(
            TextColumn("{task.description:<18}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._decode = self.progress.add_task("AR decode steps", total=decode)
        self._denoise = self.progress.add_task("DiT denoise steps", total=denoise)
        self._pictures = self.progress.add_task("pictures", total=sum(job["n"] for job in accepted))

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.note = ""
        self.progress.stop()

    def show(self, jobs: Iterable[Json]) -> None:
        """Updates the progress bars to the current state of these jobs."""
        seen = list(jobs)
        decode, denoise = steps_done(seen)
        self.progress.note = outlook(seen)
        self.progress.update(self._decode, completed=decode)
        self.progress.update(self._denoise, completed=denoise)
        pictures = sum(image["status"] == RenderState.SUCCEEDED for job in seen for image in job["images"])
        self.progress.update(self._pictures, completed=pictures)
        if not self.progress.console.is_terminal:
            self._say_changes(seen)

    def _say_changes(self, jobs: Iterable[Json]) -> None:
        for job in jobs:
            stage = f", {_STAGES[job['stage']]} stage" if job["stage"] else ""
            text = f"{job['id']} {job['status']}{stage}"
            waits = outlook([job]) if job["status"] == "queued" else ""
            kind = f"{text} {bool(waits)}"  # the place changes too often for a line of its own
            if self._said.get(job["id"]) != kind:
                self._said[job["id"]] = kind
                self.progress.console.print(f"{text}; {waits}" if waits else text, highlight=False, soft_wrap=True)
