"""Folders with all parts of a model, and folders with some of them, have the same revision."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from shared.errors import MissingCheckpoint
from workers.model.fingerprint import FILE, folder_fingerprint, write_parts_file

PARTS = {"ar": ("vision_language_encoder", "processor"), "dit": ("transformer", "vae", "scheduler")}


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    folder = tmp_path / "whole"
    for part in (*PARTS["ar"], *PARTS["dit"]):
        (folder / part).mkdir(parents=True)
        (folder / part / "model.safetensors").write_bytes(part.encode())
    (folder / "model_index.json").write_text("{}")
    return folder


def copy_of(whole: Path, stage: str) -> Path:
    target = whole.parent / stage
    target.mkdir()
    for part in PARTS[stage]:
        shutil.copytree(whole / part, target / part)
    if (whole / FILE).exists():
        shutil.copy(whole / FILE, target)
    return target


def test_folders_of_one_stage_agree_with_the_complete_one(whole: Path) -> None:
    before = folder_fingerprint(whole)
    write_parts_file(whole)
    assert {folder_fingerprint(copy_of(whole, stage)) for stage in PARTS} == {before} == {folder_fingerprint(whole)}


def test_the_command_writes_the_same_file(whole: Path) -> None:
    written = write_parts_file(whole).read_text()
    (whole / FILE).unlink()
    result = CliRunner().invoke(main, ["checkpoint", "parts", str(whole)])
    assert (result.exit_code, result.stdout.strip()) == (0, str(whole / FILE))
    assert (whole / FILE).read_text() == written


def test_without_the_file_different_parts_are_different_models(whole: Path) -> None:
    assert len({folder_fingerprint(copy_of(whole, stage)) for stage in PARTS}) == 2


def test_a_part_of_another_training_is_named(whole: Path) -> None:
    write_parts_file(whole)
    folder = copy_of(whole, "dit")
    (folder / "vae" / "model.safetensors").write_bytes(b"another training")
    with pytest.raises(MissingCheckpoint, match="vae is not what"):
        folder_fingerprint(folder)


def test_each_part_changes_the_revision(whole: Path) -> None:
    seen = {folder_fingerprint(whole)}
    for part in (*PARTS["ar"], *PARTS["dit"]):
        (whole / part / "model.safetensors").write_bytes(b"trained on")
        seen.add(folder_fingerprint(whole))
    assert len(seen) == 6


def test_what_a_download_leaves_behind_changes_nothing(whole: Path) -> None:
    before = folder_fingerprint(whole)
    (whole / ".cache" / "huggingface").mkdir(parents=True)
    (whole / ".cache" / "huggingface" / "when").write_text("today")
    (whole / "README.md").write_text("hello")
    assert folder_fingerprint(whole) == before


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"vae": 1})])
def test_a_broken_file_is_refused_with_what_to_do(whole: Path, text: str) -> None:
    (whole / FILE).write_text(text)
    with pytest.raises(MissingCheckpoint, match="gridpress checkpoint parts"):
        folder_fingerprint(whole)
