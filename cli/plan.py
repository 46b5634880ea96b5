"""`gridpress plan`: how many workers a demand takes. Reads a profile, asks no service."""

import json
from pathlib import Path

import click
from pydantic import ValidationError
from rich.table import Table

from cli.tables import print_table
from shared.errors import InvalidRequest
from shared.geometry import check_size
from shared.planning import Demand, Plan, Profile, StagePlan, plan
from shared.states import Stage

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
    required=True,
    help="Measured step times, as `python -m benchmarks.profile` writes them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def plan_command(
    *,
    images_per_minute: float,
    size: str,
    steps: int,
    is_edit: bool,
    slots: int | None,
    utilisation: float,
    profile_file: Path,
    as_json: bool,
) -> None:
    """Say how many AR and DiT workers a demand takes, and which stage limits.

    \b
    Example:
      gridpress plan --images-per-minute 600 --size 1024x1024 --profile h100.json
    """
    demand = Demand(images_per_minute / 60, *_sides(size), steps, is_edit)
    profile = _profile(profile_file)
    answer = plan(profile, demand, most_utilised=utilisation, slots=slots)
    if as_json:
        click.echo(json.dumps(_as_json(answer, profile), indent=2))
        return
    table = Table("stage", "workers", "slots", "busy", "pictures/min of one", "s a picture", "mean wait s")
    for stage in (answer.ar, answer.dit):
        table.add_row(*_cells(stage))
    print_table(table)
    click.echo(f"{_NAMES[answer.limit]} limits: it takes the most workers for a picture.")
    click.echo(f"A picture takes {answer.latency_s:.1f} s on average, waiting included, storing not.")
    click.echo("Measured on: " + ", ".join(f"{name} {value}" for name, value in profile.measured_on.items()))


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


def _as_json(answer: Plan, profile: Profile) -> dict[str, object]:
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
        "measured_on": dict(profile.measured_on),
    }
