"""Implements `gridpress validate`: reports all errors of a request, or its cost and expected times. Renders nothing."""

import json
from typing import IO, Any

import click

from cli.client import Client, Json
from cli.errors import Failure
from cli.options import url_option
from cli.output.answers import json_option, print_json


@click.command()
@click.argument("file", type=click.File("rb"))
@json_option
@url_option
def validate(file: IO[bytes], as_json: bool, url: str) -> None:
    """Report all errors of the request in FILE. If it is valid, report the cost and the expected end of its job.

    FILE has the JSON of a request as `POST /v1/jobs` takes it; - is stdin. Nothing is rendered or stored. The exit
    status is 1 if the service would refuse the request. `gridpress batch validate` checks a file of many requests.

    \b
    Example:
      gridpress validate request.json
    """
    fields = _fields(file)
    with Client(url) as client:
        report = client.validate(fields)
    if as_json:
        print_json(report)
    else:
        for error in report["errors"]:
            later = " (the same request may be accepted later)" if error["retryable"] else ""
            click.echo(f"{error['message']}{later}")
    for warning in report["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    if report["estimate"] and not as_json:
        _say_estimate(report["estimate"])
    if not report["is_valid"]:
        num = len(report["errors"])
        raise Failure(f"{file.name} has {num} error{'s' if num > 1 else ''}: the service would refuse it")


def _fields(file: IO[bytes]) -> dict[str, Any]:
    """Returns the fields of the request in a file. Raises `Failure` if the file has no JSON object."""
    try:
        found = json.loads(file.read())
    except ValueError as error:  # also for text that is not UTF-8
        raise Failure(f"{file.name} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Failure(f"{file.name} is not a request: it must be a JSON object")
    return found


def _say_estimate(estimate: Json) -> None:
    """Prints the cost and the expected times of a job. The times are unknown until the service has measured some."""
    cost = estimate["cost"]
    click.echo(f"pictures: {estimate['n']}")
    click.echo(
        f"cost: {cost['ar']} decode steps, {cost['dit']} DiT cost units, {estimate['pixels'] / 1e6:.1f} megapixels"
    )
    click.echo(f"pictures that wait now: {estimate['position']}")
    click.echo(f"expected start: {_in(estimate['start_s'])}")
    click.echo(f"expected end: {_in(estimate['eta_s'])}")
    if estimate["paused"]:
        click.echo(f"warning: an operator has paused {estimate['paused']['name']}: the job would wait", err=True)
    elif estimate["unserved"]:
        click.echo(f"warning: no worker of {' and '.join(estimate['unserved'])} runs: the job would wait", err=True)


def _in(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"in {seconds:.0f} s"
