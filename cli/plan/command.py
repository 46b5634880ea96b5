"""Implements `gridpress plan`, which computes how many workers a demand for pictures needs.

The times come from a profile, which is a file of measured step times, or from a running service.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from cli.client import Client
from cli.errors import Failure, Unavailable
from cli.options import url_option
from cli.output.tables import print_table
from cli.plan.planning import (
    BeyondProfile,
    Demand,
    MeasuredThroughput,
    Plan,
    StagePlan,
    plan,
    plan_from_throughput,
)
from shared.errors import InvalidRequest
from shared.geometry import check_size, parse_size
from shared.jobs.states import Stage
from shared.schedule.profile import Profile, read_profile

_PROFILE_HELP = "give --profile FILE, which `python -m benchmarks.profile` writes"
_SLOTS_HELP = "Renders at once on an AR worker; needs --profile.  [default: the most in the profile]"
_NAMES = {Stage.AR: "AR", Stage.DIT: "DiT"}


@click.command("plan")
@click.option("--images-per-minute", type=click.FloatRange(0, min_open=True), required=True, help="Pictures to render.")
@click.option("--size", default="1024x1024", show_default=True, help="Width x height of a picture in pixels.")
@click.option("--steps", type=click.IntRange(1), default=50, show_default=True, help="Denoise steps of a picture.")
@click.option("--edit", "is_edit", is_flag=True, help="Pictures are edits of condition images.")
@click.option("--slots", type=click.IntRange(1), help=_SLOTS_HELP)
@click.option(
    "--utilisation",
    type=click.FloatRange(0, 0.99, min_open=True),
    default=0.8,
    show_default=True,
    help="Share of the time that a worker may be busy; the rest absorbs bursts.",
)
@click.option(
    "--profile",
    "profile_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Measured step times, as `python -m benchmarks.profile` writes them.  [default: measurements of the service]",
)
@url_option
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def plan_command(
    *,
    images_per_minute: float,
    size: str,
    steps: int,
    is_edit: bool,
    slots: int | None,
    utilisation: float,
    profile_file: Path | None,
    url: str,
    as_json: bool,
) -> None:
    """Compute how many workers of each stage (AR, DiT) a demand for pictures needs, and which stage is the bottleneck.

    \b
    Example:
      gridpress plan --images-per-minute 600 --size 1024x1024 --profile h100.json
      gridpress plan --images-per-minute 600 --url http://10.0.0.5:8000
    """
    demand = Demand(images_per_minute / 60, *_sides(size), steps, is_edit)
    if profile_file:
        profile = _profile(profile_file)
        try:
            answer, measured_on = plan(profile, demand, most_utilised=utilisation, slots=slots), profile.measured_on
        except BeyondProfile as error:
            raise click.UsageError(f"{error}: measure a profile closer to this demand") from error
    elif slots:
        raise click.UsageError("--slots needs a --profile: a service has measurements only for its own slots")
    else:
        answer = plan_from_throughput(_throughputs(url), demand, most_utilised=utilisation)
        measured_on = {"the service at": url}
    if as_json:
        click.echo(json.dumps(_as_json(answer, measured_on), indent=2))
        return
    columns = ("stage", "workers", "slots", "busy", "pictures/min of one", "s a picture", "mean wait s")
    print_table(columns, map(_cells, (answer.ar, answer.dit)))
    click.echo(f"{_NAMES[answer.limit]} limits the throughput: it needs the most workers for each picture.")
    click.echo(f"A picture takes {answer.latency_s:.1f} s on average, with waiting but without storing.")
    click.echo("Measured on: " + ", ".join(f"{name} {value}" for name, value in measured_on.items()))


def _sides(size: str) -> tuple[int, int]:
    try:
        width, height = parse_size(size)
        check_size(width, height)
    except (ValueError, InvalidRequest) as error:
        raise click.BadParameter(f"{size}: {error}", param_hint="--size") from error
    return width, height


def _profile(file: Path) -> Profile:
    try:
        return read_profile(file)
    except ValueError as error:
        raise click.BadParameter(f"{file} is no profile: {error}", param_hint="--profile") from error


def _throughputs(url: str) -> Mapping[Stage, MeasuredThroughput]:
    """Returns the throughput of both stages that a running service has measured.

    Raises `Failure` if the service has rendered nothing lately, and `Unavailable` if the service is unreachable.
    """
    try:
        with Client(url) as client:
            stages = client.stats()["stages"]
    except Unavailable as error:
        raise Unavailable(f"{error.message}; to plan without a service, {_PROFILE_HELP}") from error
    unknown = [_NAMES[stage] for stage in Stage if not stages[stage]["slots"] or not stages[stage]["seconds_per_cost"]]
    if unknown:
        raise Failure(
            f"the service has measured nothing of {' and '.join(unknown)} yet: render a picture, or {_PROFILE_HELP}"
        )
    _warn_of_idle_slots(stages)
    return {
        stage: MeasuredThroughput(_num_at_once(stage, stages[stage]), stages[stage]["seconds_per_cost"])
        for stage in Stage
    }


def _num_at_once(stage: Stage, answer: Mapping[str, Any]) -> int:
    """Returns the number of renders that one worker of a stage computes at the same time.

    This is 1 for the DiT, because the measured time of a shared denoise step is divided among its renders.
    """
    return 1 if stage is Stage.DIT else int(answer["slots"] // answer["workers"])


def _warn_of_idle_slots(stages: Mapping[str, Any]) -> None:
    """Warns on stderr if slots of the service are idle, because the plan may then have too few workers.

    A render takes longer while its worker computes other renders too. So times that were measured with idle slots are
    too short for a busy service.
    """
    if any(stages[stage]["running"] is None for stage in Stage):  # the API key does not have the scope operator
        return
    idle = [_NAMES[stage] for stage in Stage if stages[stage]["running"] < stages[stage]["slots"]]
    if idle:
        hint = "the plan may be too small: plan while the service is busy"
        click.echo(f"gridpress: slots of {' and '.join(idle)} are idle in this service, so {hint}", err=True)


def _cells(stage: StagePlan) -> tuple[str, ...]:
    return (
        _NAMES[stage.stage],
        str(stage.num_workers),
        str(stage.slots),
        f"{stage.utilisation:.0%}",
        f"{60 * stage.worker_pictures_per_s:.1f}",
        f"{stage.service_s:.1f}",
        f"{stage.wait_s:.2f}",
    )


def _as_json(answer: Plan, measured_on: Mapping[str, object]) -> dict[str, object]:
    def of(stage: StagePlan) -> dict[str, object]:
        return {
            "workers": stage.num_workers,
            "slots": stage.slots,
            "utilisation": stage.utilisation,
            "worker_pictures_per_minute": 60 * stage.worker_pictures_per_s,
            "service_s": stage.service_s,
            "wait_s": stage.wait_s,
        }

    return {
        "ar": of(answer.ar),
        "dit": of(answer.dit),
        "limit": answer.limit,
        "latency_s": answer.latency_s,
        "measured_on": dict(measured_on),
    }
