"""Implements `gridpress fetch`, `open` and `watch`, which wait for jobs and get their pictures at any later time."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from cli.client import Client, Json
from cli.errors import Failure
from cli.ids import whole_job_id
from cli.jobs.command import job_argument
from cli.jobs.destinations import STDOUT, out_option
from cli.jobs.pictures import download_all
from cli.jobs.viewer import open_pictures
from cli.jobs.waiting import check, wait_for
from cli.options import url_option
from cli.output.answers import json_option, print_json

_jobs = click.argument("job_ids", metavar="JOB...", nargs=-1, required=True)
_quiet = click.option("--quiet", "-q", is_flag=True, help="Show no progress.")


@click.command()
@_jobs
@out_option
@click.option("--no-wait", is_flag=True, help="Download only pictures that are finished now.")
@_quiet
@json_option
@url_option
def fetch(*, job_ids: tuple[str, ...], out: Path, no_wait: bool, quiet: bool, as_json: bool, url: str) -> None:
    """Download the pictures of jobs, and print their paths. Waits for jobs that have not ended.

    With several jobs, --out must be a folder. The exit status is 1 if a job did not succeed; its finished pictures are
    downloaded nevertheless.

    \b
    Examples:
      gridpress fetch @last
      gridpress fetch job_01k9e4 job_01k9e5 --out pictures/
    """
    if out == STDOUT or (len(job_ids) > 1 and not out.is_dir()):
        raise click.UsageError("--out must be a folder for several jobs (DIR/ creates it), and never -")
    with Client(url) as client:
        jobs = _found(client, job_ids)
        if not no_wait:
            jobs = wait_for(client, jobs, Console(stderr=True, quiet=quiet))
        for job in jobs:
            for _, path in download_all(client, job, out, stem=job["id"]):
                click.echo(os.fsencode(path), err=as_json)
            if as_json:
                print_json(job)
    check([job for job in jobs if not no_wait or job["status"] not in ("queued", "running")])


@click.command()
@_jobs
@_quiet
@json_option
@url_option
def watch(job_ids: tuple[str, ...], quiet: bool, as_json: bool, url: str) -> None:
    """Show the progress of jobs until they have ended. The exit status is 1 if a job did not succeed.

    Ctrl-C stops only this command. With --json, stdout has the ended jobs, one object after another.

    \b
    Example:
      gridpress watch @last
    """
    with Client(url) as client:
        jobs = wait_for(client, _found(client, job_ids), Console(stderr=True, quiet=quiet))
    for job in jobs:
        if as_json:
            print_json(job)
        else:
            click.echo(f"{job['id']} {job['status']}")
    check(jobs)


@click.command("open")
@job_argument
@url_option
def open_(job_id: str, url: str) -> None:
    """Open the finished pictures of a job with this desktop's program for pictures.

    \b
    Example:
      gridpress open @last
    """
    with Client(url) as client:
        job = client.job(whole_job_id(client, job_id))
        folder = Path(tempfile.mkdtemp(prefix="gridpress-"))
        paths = [path for _, path in download_all(client, job, folder, stem=job["id"])]
    if not paths:
        folder.rmdir()
        raise Failure(f"{job['id']} has no finished picture: it is {job['status']}")
    for path in paths:
        click.echo(os.fsencode(path))
    open_pictures(paths)


def _found(client: Client, job_ids: Sequence[str]) -> list[Json]:
    """Returns the jobs that a person means, each once."""
    whole = dict.fromkeys(whole_job_id(client, job_id) for job_id in job_ids)
    return [client.job(job_id) for job_id in whole]
