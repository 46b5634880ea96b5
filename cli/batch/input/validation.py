"""Implements `gridpress batch validate`: reports invalid lines, the cost and the expected end. Renders nothing."""

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
from cli.output.answers import json_option, print_json


@click.command()
@click.argument("prompts", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@setting_options
@json_option
@url_option
def validate(prompts: Path, as_json: bool, url: str, settings: dict[str, Any]) -> None:
    """Report which lines of FILE are invalid. If all are valid, report the cost and the expected end of the batch.

    Nothing is rendered or stored. `gridpress batch run --dry-run` does the same. The exit status is 1 when a line is
    invalid.

    \b
    Example:
      gridpress batch validate prompts.jsonl --size 768x1024
    """
    with batch_lines(prompts) as lines, BatchClient(url) as client:
        report_on(client, prompts, lines, settings, as_json=as_json)


def report_on(
    client: BatchClient, prompts: Path, lines: Lines, settings: dict[str, Any], *, as_json: bool = False
) -> None:
    """Has the service check the lines of a batch, and prints its report. Raises `Failure` if a line is invalid.

    With `as_json`, prints the report of the service, whose line numbers are those of the uploaded file.

    Uploads the lines as a file for the check, and deletes that file afterwards.
    """
    file = client.upload(lines.file, f"{prompts.stem}.jsonl")
    try:
        report = _report(client, {**lines.of_file(file["id"]), **settings})
    finally:
        client.delete_file(file["id"])
    if as_json:
        print_json(report)
    else:
        for error in report["errors"]["data"]:
            click.echo(fault(lines, error))
        if report["has_more"]:
            click.echo("...")
    for warning in report["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    if not report["is_batch"]:
        raise Failure(f"{prompts} is not a valid batch: none of it would be rendered")
    if report["invalid"]:
        raise Failure(f"{report['invalid']} of {report['total']} lines of {prompts} are invalid")
    if as_json:
        return
    click.echo(f"{report['total']} lines of {prompts} are valid")
    if "cost" in report:
        _say_end(report)


def _report(client: BatchClient, fields: Json) -> Json:
    """Returns the service's report of a dry run, or a validation report if the service rejects the dry run.

    The service rejects a dry run if it would reject the batch, for example because the file is not a valid batch. A
    validation report covers every line of any file, but has no cost and no expected end.
    """
    try:
        return client.dry_run(fields)
    except (Unavailable, Busy):
        raise
    except Failure:
        return client.validate(fields)


def _say_end(report: Json) -> None:
    """Prints a batch's number of pictures, cost and expected end. Warns if the batch will end later than desired.

    The expected end is unknown until the service has rendered some pictures.
    """
    cost = report["cost"]
    click.echo(f"pictures: {report['num_pictures']}")
    click.echo(f"cost: {cost['ar']} decode steps, {cost['dit']} DiT cost units, {cost['pixels'] / 1e6:.1f} megapixels")
    click.echo(f"expected end: {report['expected_end'] or 'unknown, because the service has no measurements yet'}")
    if report["on_time"] is False:
        click.echo(f"warning: that is later than {report['finish_by']}", err=True)
