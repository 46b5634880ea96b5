"""`gridpress eval text` on pictures that are drawn with known text."""

import csv
import json
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from cli.main import main

needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed")


def a_picture(path: Path, text: str, prompt: str | None = None) -> None:
    picture = Image.new("RGB", (900, 300), "white")
    ImageDraw.Draw(picture).text((40, 90), text, "black", ImageFont.load_default(96))
    facts = PngInfo()
    if prompt:
        facts.add_text("prompt", prompt)
    picture.save(path, pnginfo=facts)


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["eval", "text", str(folder), *arguments])


@needs_tesseract
def test_a_picture_that_spells_its_prompt_is_told_from_one_that_does_not(tmp_path: Path) -> None:
    a_picture(tmp_path / "good.png", "Fish and Ice", 'a sign that says "Fish and Ice"')
    a_picture(tmp_path / "bad.png", "Fxsh und Lce", 'a sign that says "Fish and Ice"')
    a_picture(tmp_path / "blank.png", "unasked", "a quiet harbour")
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    assert "2 pictures with quoted text" in result.output
    with (tmp_path / "text.csv").open(encoding="utf-8") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert float(rows["good.png"]["word_accuracy"]) == 1.0
    assert float(rows["good.png"]["edit_distance"]) < float(rows["bad.png"]["edit_distance"])
    assert (tmp_path / "text_worst.png").exists()


@needs_tesseract
def test_a_batchs_results_name_pictures_and_prompts(tmp_path: Path) -> None:
    a_picture(tmp_path / "p-0.png", "OPEN")
    lines = [
        {"custom_id": "sign-1", "file": "p-0.png", "prompt": "a door, “OPEN”"},
        {"custom_id": "sign-2", "file": None, "prompt": "a door that failed, “OPEN”"},
    ]
    (tmp_path / "results.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    result = run(tmp_path)
    assert "1 pictures with quoted text" in result.output, result.output
    assert "sign-1" in (tmp_path / "text.csv").read_text(encoding="utf-8")


@needs_tesseract
def test_a_language_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = run(tmp_path, "--lang", "eng+tlh")
    assert result.exit_code == 1
    assert "tlh" in result.output


def test_without_tesseract_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pytesseract")
    monkeypatch.setattr("pytesseract.pytesseract.tesseract_cmd", str(tmp_path / "no-such-program"))
    result = run(tmp_path)
    assert result.exit_code == 3
    assert "tesseract-ocr" in result.output


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("cli.evaluation.ocr", "shared.spelling.ocr"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "pytesseract", None)
    result = run(tmp_path)
    assert result.exit_code == 3
    assert "gridpress[eval]" in result.output


@needs_tesseract
@pytest.mark.parametrize("content", [None, b"no picture"])
def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    entry = {"custom_id": "sign", "file": "sign.png", "prompt": "a door, “OPEN”"}
    (tmp_path / "results.jsonl").write_text(json.dumps(entry), encoding="utf-8")
    if content:
        (tmp_path / "sign.png").write_bytes(content)
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "sign.png cannot be read" in result.output


def test_a_folder_with_a_file_that_is_no_picture_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.evaluation.ocr.Ocr.__init__", lambda *_: None)
    (tmp_path / "torn.png").write_bytes(b"no picture")
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "torn.png cannot be read" in result.output


def test_a_folder_without_prompts_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.evaluation.ocr.Ocr.__init__", lambda *_: None)
    a_picture(tmp_path / "p.png", "OPEN")
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "prompt" in result.output
