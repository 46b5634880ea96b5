"""Implements the command `gridpress doctor`, which prints its report as tables or as JSON."""

import dataclasses
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cli.doctor.enhancement import enhancement
from cli.doctor.findings import Findings
from cli.doctor.machine import has_torch, machine, packages, servers
from cli.doctor.stores import stores
from cli.options import FOLDER, setting_option
from shared.settings.settings import Settings


@click.command()
@setting_option("--model", "model", metavar="DIR", help="Checkpoint folder for which the needed memory is computed.")
@setting_option("--data", "data_dir", type=FOLDER, help="Folder of the service's data.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def doctor(data_dir: Path, as_json: bool, **given: Any) -> None:
    """Report what this machine supports, what the service would use of it, and how to fix problems.

    Reads the same settings as the service. Loads no weights, starts nothing and writes nothing. The exit status is 0
    without problems and 1 with problems.

    \b
    Example:
      gridpress doctor --model checkpoints/tiny
    """
    with _quietly(), Console(stderr=True).status("checking") as status:
        report = list(_examine(Settings(data_dir=data_dir, **given), status.update))
    has_problems = any(findings.problems for findings in report)
    if as_json:
        parts = {findings.title: dataclasses.asdict(findings) for findings in report}
        click.echo(json.dumps({"ok": not has_problems, "parts": parts}, indent=2))
    else:
        _print(report)
    if has_problems:
        raise SystemExit(1)


def _examine(settings: Settings, say: Callable[[str], None]) -> Iterator[Findings]:
    """Yields the parts of the report. Says before each part that takes long what is being checked."""
    say("checking the machine and the packages")
    yield machine(settings)
    yield servers(settings)
    say("checking whether the stores respond")
    yield stores(settings)
    say("checking the endpoint for prompts")
    yield enhancement(settings)
    if not has_torch():
        yield Findings("compute", {"torch": "not installed: only roles without a model, such as the API, can run here"})
        return
    say("loading torch (some seconds)")
    from cli.doctor.stages import compute, memory  # noqa: PLC0415 - loads torch, which not every machine has

    yield packages("workers")
    say("trying the devices and options of both stages")
    yield compute(settings)
    say("computing the memory that both stages need")
    yield memory(settings)


@contextmanager
def _quietly() -> Iterator[None]:
    """Suppresses warnings of libraries until the `with` block ends. The report says what is wrong.

    diffusers, for example, warns about every model that it builds and every option that does not work.
    """
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(logging.NOTSET)


def _print(report: list[Findings]) -> None:
    for findings in report:
        click.secho(findings.title, bold=True)
        width = max(map(len, findings.facts), default=0)
        for name, fact in findings.facts.items():
            click.echo(f"  {name:<{width}}  {fact}")
        for problem in findings.problems:
            click.echo(f"PROBLEM: {problem.what}\n     DO: {problem.remedy}")
        click.echo()
