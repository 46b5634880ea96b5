"""Implements `gridpress eval text`: reads the text in the pictures of a folder and compares it with the prompts."""

import csv
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from cli.errors import Unavailable
from cli.options import FOLDER
from shared.quoted_text import quoted_texts

_HOW_TO = "the evaluation is not installed: pip install 'gridpress[eval]', and the package tesseract-ocr of your system"
_SHEET_HELP = "Contact sheet to write [default: FOLDER/text_worst.png]."


@dataclass(frozen=True, slots=True)
class Finding:
    """The result for one picture: the quoted text of its prompt, the text that OCR read, and the scores."""

    name: str
    path: Path
    asked: Sequence[str]
    read: str
    num_words: int
    word_accuracy: float
    edit_distance: float


@click.group("eval")
def evaluate() -> None:
    """Measure the quality of finished pictures."""


@evaluate.command()
@click.argument("folder", type=FOLDER)
@click.option("--lang", default="eng", show_default=True, help="Languages for Tesseract, such as eng+chi_sim.")
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="CSV to write [default: FOLDER/text.csv].")
@click.option("--sheet", "sheet_file", type=click.Path(path_type=Path), help=_SHEET_HELP)
@click.option("--worst", default=12, show_default=True, type=click.IntRange(1), help="Pictures on the contact sheet.")
def text(folder: Path, lang: str, csv_file: Path | None, sheet_file: Path | None, worst: int) -> None:
    """Compare the text in pictures with the text that their prompts put in quotation marks.

    FOLDER is the --out folder of `gridpress batch run`, or any folder of pictures with embedded metadata. Prints the
    word accuracy and the normalised edit distance. Writes the scores of every picture to a CSV file, and the worst
    pictures to a contact sheet.

    \b
    Example:
      gridpress eval text out/posters --lang eng+chi_sim
    """
    findings = sorted(_findings(folder, lang), key=lambda finding: -finding.edit_distance)
    if not findings:
        click.echo("no prompt has quoted text, so there is nothing to compare")
        return
    csv_file, sheet_file = csv_file or folder / "text.csv", sheet_file or folder / "text_worst.png"
    _write_csv(csv_file, findings)
    _write_sheet(sheet_file, findings[:worst])
    words = sum(finding.num_words for finding in findings)
    read = sum(finding.word_accuracy * finding.num_words for finding in findings)
    click.echo(f"{len(findings)} pictures with quoted text, {words} words")
    click.echo(f"word accuracy             {read / words:.4f}")
    click.echo(f"normalised edit distance  {statistics.mean(finding.edit_distance for finding in findings):.4f}")
    click.echo(f"every picture: {csv_file}\nthe worst: {sheet_file}")


def _findings(folder: Path, languages: str) -> list[Finding]:
    try:  # these modules need the packages of the extra `eval`
        from cli.evaluation.ocr import Ocr  # noqa: PLC0415
        from cli.evaluation.samples import samples  # noqa: PLC0415
        from shared.spelling.scores import score  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise Unavailable(_HOW_TO) from error
    ocr = Ocr(languages)
    found = []
    for sample in track(samples(folder), "reading", console=Console(stderr=True)):
        asked = quoted_texts(sample.prompt)
        if not asked:
            continue
        read = ocr.read(sample.path)
        result = score(asked, read)
        if result:
            found.append(
                Finding(
                    sample.name,
                    sample.path,
                    asked,
                    " ".join(read.split()),
                    result.num_words,
                    result.word_accuracy,
                    result.edit_distance,
                )
            )
    return found


def _write_csv(file: Path, findings: Sequence[Finding]) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["name", "file", "word_accuracy", "edit_distance", "num_words", "asked", "read"])
        for item in findings:
            accuracy, distance = f"{item.word_accuracy:.4f}", f"{item.edit_distance:.4f}"
            asked = " | ".join(item.asked)
            writer.writerow([item.name, item.path.name, accuracy, distance, item.num_words, asked, item.read])


def _write_sheet(file: Path, worst: Sequence[Finding]) -> None:
    from cli.jobs.sheet import Print, contact_sheet  # noqa: PLC0415 - pillow comes with the extra, not with the base

    prints = [
        Print(item.path, item.name, f"words {item.word_accuracy:.0%}, distance {item.edit_distance:.2f}")
        for item in worst
    ]
    contact_sheet(prints, file)
