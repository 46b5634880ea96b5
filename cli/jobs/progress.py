"""Counts the decode steps and denoise steps that jobs have done, and shows them as progress bars."""

from collections.abc import Iterable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.client import Json
from shared.geometry import num_decode_steps
from shared.jobs.states import RenderState


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

    A picture that failed, was cancelled or expired counts as zero steps.
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
                case RenderState.SUCCEEDED:
                    decode, denoise = decode + _decode_steps(job), denoise + job["num_inference_steps"]
    return decode, denoise


def _decode_steps(job: Json) -> int:
    return num_decode_steps(job["width"], job["height"], is_edit=job["num_condition_images"] > 0)


class StageBars:
    """Shows progress bars for several jobs together: one for each stage, and one for finished pictures."""

    def __init__(self, jobs: Iterable[Json], console: Console) -> None:
        accepted = list(jobs)
        decode, denoise = steps_in_all(accepted)
        self.progress = Progress(
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
        self.progress.stop()

    def show(self, jobs: Iterable[Json]) -> None:
        """Updates the progress bars to the current state of these jobs."""
        seen = list(jobs)
        decode, denoise = steps_done(seen)
        self.progress.update(self._decode, completed=decode)
        self.progress.update(self._denoise, completed=denoise)
        pictures = sum(image["status"] == RenderState.SUCCEEDED for job in seen for image in job["images"])
        self.progress.update(self._pictures, completed=pictures)
