"""Which model the stack serves where none is named, and what it says of it."""

from pathlib import Path

import huggingface_hub
import pytest

from cli.stack import checkpoint
from cli.stack.checkpoint import default_model, pinned_commit
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


class Hub:
    """Stands for the hub's client. `sha` is the newest commit; without it, the hub does not answer."""

    sha: str | None = None

    def model_info(self, model: str, timeout: float) -> "Hub":
        if self.sha is None:
            raise OSError("the hub does not answer")
        return self


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> type[Hub]:
    class OneHub(Hub):
        pass

    monkeypatch.setattr(huggingface_hub, "HfApi", OneHub)
    return OneHub


def test_all_workers_of_a_start_serve_the_newest_commit(hub: type[Hub]) -> None:
    hub.sha = "c" * 40
    assert pinned_commit("zai-org/GLM-Image") == hub.sha


@pytest.mark.parametrize(("cached", "commit"), [("/hub/snapshots/abc/model_index.json", "abc"), (None, None)])
@pytest.mark.usefixtures("hub")
def test_without_the_hub_the_commit_of_an_earlier_download_is_served(
    cached: str | None, commit: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: cached)
    assert pinned_commit("zai-org/GLM-Image") == commit


def test_what_is_no_model_of_the_hub_has_no_commit(hub: type[Hub], tmp_path: Path) -> None:
    hub.sha = "c" * 40
    for model in ("demo", "simulate:ar=0", str(tmp_path)):
        assert pinned_commit(model) is None


@pytest.mark.usefixtures("hub")
def test_a_name_that_is_no_id_is_left_to_the_workers() -> None:
    assert pinned_commit("a/b/c/d") is None
