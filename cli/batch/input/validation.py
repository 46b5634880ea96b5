"""`gridpress batch validate`: what the service would say of every line, their cost and their end. Nothing is drawn."""

from pathlib import Path
from typing import Any

import click

from cli.batch.client import BatchClient
from cli.batch.input.lines import Lines, batch_lines
from cli.batch.results.report import fault
from cli.batch.settings import setting_options
from cli.client import Json
from cli.errors import Busy, Failure, Unavailable
from cli.options import url_option


@click.command()
@click.argument("prompts", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@setting_options
@url_option
def validate(prompts: Path, url: str, settings: dict[str, Any]) -> None:
    """Say which lines of FILE are wrong, what the others cost, and when they would be drawn. Nothing is stored.

    The same as `gridpress batch run --dry-run`. Exit status 1 when a line is wrong.

    \b
    Example:
      gridpress batch validate prompts.jsonl --size 768x1024
    """
    with batch_lines(prompts) as lines, BatchClient(url) as client:
        report_on(client, prompts, lines, settings)


def report_on(client: BatchClient, prompts: Path, lines: Lines, settings: dict[str, Any]) -> None:
    """Prints the report. The uploaded file does not stay. Raises `Failure` when a line is wrong."""
    file = client.upload(lines.file, f"{prompts.stem}.jsonl")
    try:
        report = _report(client, {**lines.of_file(file["id"]), **settings})
    finally:
        client.delete_file(file["id"])
    for error in report["errors"]["data"]:
        click.echo(fault(lines, error))
    if report["has_more"]:
        click.echo("...")
    for warning in report["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    if not report["is_batch"]:
        raise Failure(f"{prompts} is no batch: nothing of it would be drawn")
    if report["invalid"]:
        raise Failure(f"{report['invalid']} of {report['total']} lines of {prompts} are wrong")
    click.echo(f"{report['total']} lines of {prompts} are fine")
    if "cost" in report:
        _say_end(report)


def _report(client: BatchClient, fields: Json) -> Json:
    """A dry run is refused where the batch would be, for a file that is no batch, too. Then all its lines are told."""
    try:
        return client.dry_run(fields)
    except (Unavailable, Busy):
        raise
    except Failure:
        return client.validate(fields)


def _say_end(report: Json) -> None:
    """Prints the cost and the expected end, and warns of one that is late. Nothing is told before the first picture."""
    cost = report["cost"]
    click.echo(f"pictures: {report['num_pictures']}")
    click.echo(f"cost: {cost['ar']} decode steps, {cost['dit']} of the DiT, {cost['pixels'] / 1e6:.1f} megapixels")
    click.echo(f"expected end: {report['expected_end'] or 'unknown, nothing was measured yet'}")
    if report["on_time"] is False:
        click.echo(f"warning: that is later than {report['finish_by']}", err=True)
