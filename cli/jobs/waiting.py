"""Waits for jobs at a terminal. Ctrl-C ends the waiting, and says how to get at the jobs later."""

from collections.abc import Sequence

from rich.console import Console

from cli.client import FINAL, Client, Json
from cli.errors import Failure
from cli.jobs.progress import StageBars


def wait_for(
    client: Client, jobs: Sequence[Json], console: Console, *, cancel_on_interrupt: bool = False
) -> list[Json]:
    """Shows the progress of jobs until all have ended. Returns the ended jobs in the same order.

    Raises `Failure` on Ctrl-C. The jobs go on, or are cancelled with `cancel_on_interrupt`.
    """
    states = {job["id"]: job for job in jobs}
    waiting = [job_id for job_id, job in states.items() if job["status"] not in FINAL]
    if not waiting:
        return list(states.values())
    try:
        with StageBars(states.values(), console) as bars:
            bars.show(states.values())
            for seen in client.watch(waiting):
                states |= seen
                bars.show(states.values())
    except KeyboardInterrupt:
        raise Failure(_interrupted(client, waiting, is_cancelled=cancel_on_interrupt)) from None
    return list(states.values())


def check(jobs: Sequence[Json]) -> None:
    """Raises `Failure` if a job did not succeed. The message names each of these jobs with the reason."""
    failed = [job for job in jobs if job["status"] != "succeeded"]
    if failed:
        raise Failure("; ".join(f"{job['id']} {job['status']}{_why(job)}" for job in failed))


def _interrupted(client: Client, job_ids: Sequence[str], *, is_cancelled: bool) -> str:
    ids = " ".join(job_ids)
    if is_cancelled:
        for job_id in job_ids:
            client.cancel(job_id)
        return f"interrupted: {ids} cancelled"
    go_on = "goes on" if len(job_ids) == 1 else "go on"
    return (
        f"interrupted, but {ids} {go_on}: `gridpress fetch {ids}` downloads the pictures later, "
        f"`gridpress cancel {ids}` cancels"
    )


def _why(job: Json) -> str:
    return f": {job['error']['message']}" if job["error"] else ""
