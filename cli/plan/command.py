"""`gridpress plan`: how many workers a demand takes, by a profile or by what a running service measured of itself."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError
from rich.table import Table

from cli.client import Client
from cli.errors import Failure, Unavailable
from cli.options import url_option
from cli.tables import print_table
from shared.errors import InvalidRequest
from shared.geometry import check_size
from shared.jobs.states import Stage
from shared.schedule.planning import BeyondProfile, Demand, Pace, Plan, Profile, StagePlan, plan, plan_at_pace

_PROFILE_HELP = "give --profile FILE, which `python -m benchmarks.profile` writes"
_NAMES = {Stage.AR: "AR", Stage.DIT: "DiT"}


@click.command("plan")
@click.option("--images-per-minute", type=click.FloatRange(0, min_open=True), required=True, help="Demand.")
@click.option("--size", default="1024x1024", show_default=True, help="Width x height of a picture.")
@click.option("--steps", type=click.IntRange(1), default=50, show_default=True, help="Denoise steps.")
@click.option("--edit", "is_edit", is_flag=True, help="Pictures are edits of condition images.")
@click.option("--slots", type=click.IntRange(1), help="Renders at once on an AR worker; default: the most measured.")
@click.option(
    "--utilisation",
    type=click.FloatRange(0, 0.99, min_open=True),
    default=0.8,
    show_default=True,
    help="Share of its time that a worker may be busy; the rest absorbs bursts.",
)
@click.option(
    "--profile",
    "profile_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Measured step times, as `python -m benchmarks.profile` writes them; without it the service is asked.",
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
    """Say how many AR and DiT workers a demand takes, and which stage limits.

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
            raise click.UsageError(f"{error}: measure nearer to what is asked") from error
    elif slots:
        raise click.UsageError("--slots needs a --profile: the service knows only the slots that it has")
    else:
        answer, measured_on = plan_at_pace(_paces(url), demand, most_utilised=utilisation), {"the service at": url}
    if as_json:
        click.echo(json.dumps(_as_json(answer, measured_on), indent=2))
        return
    table = Table("stage", "workers", "slots", "busy", "pictures/min of one", "s a picture", "mean wait s")
    for stage in (answer.ar, answer.dit):
        table.add_row(*_cells(stage))
    print_table(table)
    click.echo(f"{_NAMES[answer.limit]} limits: it takes the most workers for a picture.")
    click.echo(f"A picture takes {answer.latency_s:.1f} s on average, waiting included, storing not.")
    click.echo("Measured on: " + ", ".join(f"{name} {value}" for name, value in measured_on.items()))


def _sides(size: str) -> tuple[int, int]:
    width, _, height = size.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise click.BadParameter(f"{size} is no size, such as 1024x1024", param_hint="--size")
    try:
        check_size(int(width), int(height))
    except InvalidRequest as error:
        raise click.BadParameter(str(error), param_hint="--size") from error
    return int(width), int(height)


def _profile(file: Path) -> Profile:
    try:
        return Profile.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its JSON"
        raise click.BadParameter(f"{file} is no profile: {where}: {first['msg']}", param_hint="--profile") from error


def _paces(url: str) -> Mapping[Stage, Pace]:
    """Of both stages. Raises `Failure` where the service has not drawn anything of late, `Unavailable` without one."""
    try:
        with Client(url) as client:
            stages = client.stats()["stages"]
    except Unavailable as error:
        raise Unavailable(f"{error.message}; without a service, plan by a profile: {_PROFILE_HELP}") from error
    unknown = [_NAMES[stage] for stage in Stage if not stages[stage]["slots"] or not stages[stage]["seconds_per_cost"]]
    if unknown:
        raise Failure(
            f"the service has measured nothing of {' and '.join(unknown)} yet: draw a picture, or {_PROFILE_HELP}"
        )
    _warn_of_idle_slots(stages)
    return {stage: Pace(_num_at_once(stage, stages[stage]), stages[stage]["seconds_per_cost"]) for stage in Stage}


def _num_at_once(stage: Stage, answer: Mapping[str, Any]) -> int:
    """Renders that one worker computes at once. In the DiT it is one: those that share a step are paced one by one."""
    return 1 if stage is Stage.DIT else int(answer["slots"] // answer["workers"])


def _warn_of_idle_slots(stages: Mapping[str, Any]) -> None:
    """A render takes longer beside others in its worker, so what few took promises more than full slots keep."""
    idle = [_NAMES[stage] for stage in Stage if stages[stage]["running"] < stages[stage]["slots"]]
    if idle:
        hint = "the plan may be too small: ask while it is busy"
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
