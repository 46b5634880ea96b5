"""Implements `gridpress demo`: starts the service, renders the examples over HTTP and shows the results."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console

from cli.client import Client
from cli.demo.examples import FOR_GLM_IMAGE, PROMPTS, Example, load
from cli.demo.receiver import Receiver
from cli.demo.report import check, print_outcomes
from cli.demo.run import Outcome, finish_all, submit_all
from cli.demo.service import service
from cli.options import FOLDER, setting_option
from cli.stack.checkpoint import REAL_MODEL, default_model
from shared import demo_model

_THE_REAL_ONE = f"The real model's pictures: GRIDPRESS_MODEL={REAL_MODEL} gridpress demo --prompts {FOR_GLM_IMAGE}"
_WEBHOOKS_LIMIT_S = 60.0  # long enough for a first webhook attempt and some retries
_PROMPTS = click.Path(path_type=Path, dir_okay=False, exists=True)
_PROMPTS_HELP = "File of requests to render.  [default: the examples of this package]"
_MODEL_HELP = "Checkpoint to serve.  [default: demo, a small built-in model]"


@click.command()
@click.option("--out", type=FOLDER, default=Path("out/demo"), show_default=True, help="Folder for the pictures.")
@click.option("--data", type=FOLDER, default=Path(".gridpress/demo"), show_default=True, help="Folder of the service.")
@click.option("--prompts", type=_PROMPTS, default=PROMPTS, help=_PROMPTS_HELP)
@setting_option("--model", "model", metavar="DIR|ID", help=_MODEL_HELP)
def demo(out: Path, data: Path, prompts: Path, model: str | None) -> None:
    """Render the example prompts through the whole service, end to end.

    Starts every process of the service on this machine, submits each prompt over HTTP, and verifies the signatures of
    the webhooks. Writes the pictures and a contact sheet. Then stops all processes.

    \b
    Example:
      gridpress demo --out out/demo
    """
    examples = load(prompts)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = model or default_model(data.resolve())
    console = Console(stderr=True)
    with ExitStack() as stack:
        with console.status("starting the service"):
            url = stack.enter_context(service(data.resolve(), checkpoint))
        client = stack.enter_context(Client(url))
        receiver = stack.enter_context(Receiver(client.webhook_secret()))
        outcomes = _render(client, receiver, examples, out, console)
        num_verified = receiver.wait_for([outcome.job["id"] for outcome in outcomes], _WEBHOOKS_LIMIT_S)
    _show(outcomes, out)
    click.echo(f"{num_verified} of {len(outcomes)} signed webhooks arrived and were verified")
    if not model:
        click.echo(_THE_REAL_ONE)
    check(outcomes, num_verified, receiver.num_refused)


def _render(
    client: Client, receiver: Receiver, examples: Sequence[Example], out: Path, console: Console
) -> list[Outcome]:
    accepted = submit_all(client, examples, receiver.url)
    return finish_all(client, accepted, out, console)


def _show(outcomes: Sequence[Outcome], out: Path) -> None:
    from cli.jobs.sheet import Print, contact_sheet  # noqa: PLC0415 - pillow comes with the workers, not with the base

    print_outcomes(outcomes)
    prints = [
        Print(path, outcome.name, f"{image['width']}x{image['height']}  seed {image['seed']}")
        for outcome in outcomes
        for image, path in outcome.files
    ]
    sheet = out / "contact_sheet.png"
    is_demo = any(demo_model.is_demo(outcome.job.get("revision")) for outcome in outcomes)
    contact_sheet(prints, sheet, demo_model.FOOTER if is_demo else "")
    click.echo(f"contact sheet: {sheet}")
