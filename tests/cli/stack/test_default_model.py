"""Which model the stack serves where none is named, and what it says of it."""

from pathlib import Path

import pytest

from cli.stack import checkpoint
from cli.stack.checkpoint import default_model
from workers.checkpoint import shipped


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the shipped weights, empty so far."""
    monkeypatch.setattr(shipped, "DEMO_WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(checkpoint, "small_checkpoint", lambda data_dir: data_dir / "tiny")
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def test_the_demonstration_model_is_served_and_says_what_it_knows(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (weights / "model_index.json").touch()
    assert default_model(tmp_path) == "demo"
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "demonstration model" in said.err
    assert "'a red star on a blue background'" in said.err
    assert "GRIDPRESS_MODEL=zai-org/GLM-Image" in said.err


@pytest.mark.usefixtures("weights")
def test_without_its_weights_random_ones_are_served_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert default_model(tmp_path) == str(tmp_path / "tiny")
    assert "lacks the demonstration model's weights: serving random weights" in capsys.readouterr().err
