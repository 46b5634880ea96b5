"""Runs `make eval-demo`: renders held-out prompts with a local service, judges the pictures and prints a table."""

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from benchmarks.demo_model.cases import KINDS, Case, cases_of
from benchmarks.demo_model.rendering import EXACT, REDRAWN, TIERS, UNGUIDED, Setting, draw_missing, render, wanted_of
from benchmarks.demo_model.report import (
    Judged,
    Line,
    json_of,
    lines_of,
    markdown_of,
    notes_of,
    scores_of,
    table_of,
    write_docs,
)
from benchmarks.demo_model.sheet import first_of, write_sheet
from benchmarks.demo_model.verdicts import ROWS, Row, Verdict, verdicts_on
from benchmarks.report import machine
from cli.client import Client
from cli.demo.service import service
from cli.errors import Failure
from cli.stack.roles import num_cores

_PAGE, _SHEET = Path("docs/demo_model.md"), Path("docs/demo/contact-sheet.png")
_DEMO = "demo"
_WIDTH = 150  # characters of a table line when the output is not a terminal
_SETTINGS = {setting.name: setting for setting in (EXACT, *TIERS, UNGUIDED, REDRAWN)}
_RULES = """\
## How well it paints

`make eval-demo` measures it on held-out prompts, drawn at 256x256 with 20 steps through the whole service.
`benchmarks/demo_model/judges.py` says what counts as right. The judges read pixels and know no model.
The column "drawings" has what they say of the same scenes drawn by code: the most that a model can reach.

The sheet shows the first pictures of each kind. None was chosen by its looks.

![pictures of held-out prompts](demo/contact-sheet.png)
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """The rows, cases and settings to judge, and the folder of the pictures."""

    out: Path
    rows: Sequence[Row]
    cases: dict[str, list[Case]]  # by kind
    settings: Sequence[Setting]

    def kinds_of(self, setting: Setting) -> list[str]:
        """Returns the kinds of cases for a setting. Guidance and text checks are compared on words alone."""
        return [kind for kind in self.cases if setting not in (UNGUIDED, REDRAWN) or kind == "text"]


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--model", default=_DEMO, show_default=True, metavar="DIR|ID", help="Checkpoint to serve.")
@click.option("--url", metavar="URL", help="Use the service at this address instead of starting one.")
@click.option("--num", default=200, show_default=True, type=click.IntRange(1), help="Prompts of each row.")
@click.option(
    "--rows",
    default=",".join(row.name for row in ROWS),
    show_default=True,
    help="Rows to judge, with commas between them.",
)
@click.option(
    "--settings",
    default=",".join(_SETTINGS),
    show_default=True,
    help="Settings to render with. Each quality is compared with exact; guidance-1.0 and redraws-3 are on words.",
)
@click.option(
    "--drawings",
    is_flag=True,
    help="Judge only drawings made by code, to measure the judges' errors. Starts no service.",
)
@click.option("--judge-again", "anew", is_flag=True, help="Judge stored pictures again, after a change of the judges.")
@click.option("--out", default=Path("out/eval-demo"), type=click.Path(path_type=Path), show_default=True)
@click.option("--results", default=Path("benchmarks/results"), type=click.Path(path_type=Path), show_default=True)
@click.option("--write-docs", "writes_docs", is_flag=True, help=f"Write the table to {_PAGE}, the sheet to {_SHEET}.")
def main(model: str, url: str | None, rows: str, num: int, settings: str, **rest: Any) -> None:
    """Measure how well the demonstration model paints held-out prompts.

    OUT stores every picture and every verdict, so a run that was ended continues. Use one OUT for each model.
    The text row needs Tesseract: Debian's package is called tesseract-ocr.

    \b
    Examples:
      python -m benchmarks.demo_model
      python -m benchmarks.demo_model --rows shape,text --num 20 --settings exact
      python -m benchmarks.demo_model --rows text --settings exact,redraws-3
      python -m benchmarks.demo_model --drawings
    """
    os.environ["OMP_THREAD_LIMIT"] = "1"  # for Tesseract, since several processes of it run at the same time
    out, is_real = rest["out"], not rest["drawings"]
    plan = _plan(out, rows, num, settings if is_real else "")
    console = Console(stderr=True)
    if is_real:
        _check_folder(out, url or _fingerprint(model))
        _render_missing(plan, model, url, console)
    judged = _judge(plan, console, anew=rest["anew"])
    lines, notes = lines_of(plan.rows, judged), notes_of(judged)
    Console(width=None if sys.stdout.isatty() else _WIDTH).print(table_of(lines), *notes, sep="\n", highlight=False)
    if is_real:
        _write_figures(plan, lines, notes, rest["results"])
        _write_pages(plan, f"{_RULES}\n{markdown_of(lines, notes)}", writes_docs=rest["writes_docs"])


def _write_figures(plan: Plan, lines: Sequence[Line], notes: Sequence[str], results: Path) -> None:
    """Writes all figures as JSON to `results`, and those of the model card to the folder of the pictures."""
    results.mkdir(parents=True, exist_ok=True)
    model = (plan.out / "model.txt").read_text(encoding="utf-8")
    report = {"measured_on": machine(1), "model": model, **json_of(lines, notes)}
    (results / "demo_model.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (plan.out / "scores.json").write_text(json.dumps(scores_of(lines), indent=1) + "\n", encoding="utf-8")


def _write_pages(plan: Plan, section: str, *, writes_docs: bool) -> None:
    """Writes the contact sheet, and with `writes_docs` also the docs."""
    if EXACT in plan.settings:
        sheet = _SHEET if writes_docs else plan.out / _SHEET.name
        cases = [case for kind, cases in plan.cases.items() for case in first_of(kind, cases)]
        write_sheet(sheet, plan.out / EXACT.name, cases)
        click.echo(f"contact sheet: {sheet}")
    if writes_docs:
        write_docs(_PAGE, section)


def _plan(out: Path, rows: str, num: int, settings: str) -> Plan:
    chosen = [row for row in ROWS if row.name in _names(rows, [row.name for row in ROWS], "--rows")]
    kinds = [kind for kind in KINDS if any(row.kind == kind for row in chosen)]
    names = _names(settings, list(_SETTINGS), "--settings")
    try:
        cases = {kind: cases_of(kind, num) for kind in kinds}
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return Plan(out, chosen, cases, [_SETTINGS[name] for name in names])


def _names(given: str, known: Sequence[str], option: str) -> list[str]:
    names = [name.strip() for name in given.split(",") if name.strip()]
    if unknown := set(names) - set(known):
        raise click.UsageError(f"{option} has {', '.join(sorted(unknown))}; it may have {', '.join(known)}")
    return names


def _fingerprint(model: str) -> str:
    """Returns a digest of the checkpoint's files, or the name itself if it is not a folder."""
    from workers.checkpoint.shipped import DEMO_WEIGHTS  # noqa: PLC0415

    folder = DEMO_WEIGHTS if model == _DEMO else Path(model)
    if not folder.is_dir():
        return model
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.safetensors")):
        digest.update(file.read_bytes())
    return f"{folder.name} {digest.hexdigest()[:12]}"


def _check_folder(out: Path, model: str) -> None:
    """Raises `Failure` if the folder has pictures of another model."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "model.txt"
    if file.exists() and file.read_text() != model:
        raise Failure(f"{out} has pictures of {file.read_text()}, and {model} was asked for: name another --out")
    file.write_text(model)


def _render_missing(plan: Plan, model: str, url: str | None, console: Console) -> None:
    wanted = [
        one
        for setting in plan.settings
        for kind in plan.kinds_of(setting)
        for one in wanted_of(plan.out, setting, plan.cases[kind])
    ]
    if wanted:
        with _service(plan.out, model, url) as address, Client(address) as client:
            render(client, wanted, console)


@contextmanager
def _service(out: Path, model: str, url: str | None) -> Iterator[str]:
    """Starts a service with one DiT worker per core and one thread per worker, because small models gain nothing
    from more threads. Yields its URL.
    """
    if url:
        yield url
        return
    options = ("--dit-workers", str(num_cores()), "--threads", "1")
    with service((out / "service").resolve(), model, options) as address:
        yield address


def _judge(plan: Plan, console: Console, *, anew: bool) -> Judged:
    judged: dict[str, dict[str, list[Verdict]]] = {}
    for kind, cases in plan.cases.items():
        draw_missing(plan.out, cases, anew=anew)
        for name in ("drawn", *(setting.name for setting in plan.settings if kind in plan.kinds_of(setting))):
            with console.status(f"judging {name} {kind} pictures"):
                judged.setdefault(name, {})[kind] = verdicts_on(plan.out / name, cases, anew=anew)
    return judged


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.demo_model")
