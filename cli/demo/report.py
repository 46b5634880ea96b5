"""Prints the table of pictures at the end of the demo, and checks that all jobs and webhooks succeeded."""

from collections.abc import Sequence
from pathlib import Path

from cli.client import Json
from cli.demo.run import Outcome
from cli.errors import Failure
from cli.output.tables import Cell, print_table, seconds


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Prints a table with one row for each picture of the demo.

    A row has the seconds that the picture took in each stage. The total is the time from the submission of the
    picture's job to the end of the job.
    """
    rows = (_cells(outcome, image, path) for outcome in outcomes for image, path in outcome.files)
    print_table(("job", "size", "seed", "AR s", "DiT s", "total s", "file"), rows)


def _cells(outcome: Outcome, image: Json, path: Path) -> tuple[Cell, ...]:
    timings = image["timings"]
    times = seconds(timings["ar_s"]), seconds(timings["dit_s"]), seconds(outcome.total_s)
    return outcome.name, f"{image['width']}x{image['height']}", image["seed"], *times, str(path)


def check(outcomes: Sequence[Outcome], num_verified: int, num_refused: int) -> None:
    """Raises `Failure` if a job did not succeed, or if a webhook is missing or invalid. Names the failed jobs."""
    failed = [f"{outcome.name} {outcome.job['status']}{_why(outcome)}" for outcome in outcomes if _is_failed(outcome)]
    if failed:
        raise Failure("; ".join(failed))
    if num_refused:
        raise Failure(f"{num_refused} webhooks did not verify")
    if num_verified < len(outcomes):
        raise Failure(f"{len(outcomes) - num_verified} of {len(outcomes)} webhooks did not arrive")


def _is_failed(outcome: Outcome) -> bool:
    return outcome.job["status"] != "succeeded"


def _why(outcome: Outcome) -> str:
    error = outcome.job["error"]
    return f" ({error['message']})" if error else ""
