"""Which folder a worker serves, and how its weights are named."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog
import torch

from shared.demo_model import is_demo
from shared.errors import MissingCheckpoint
from shared.settings.settings import Settings
from tests.workers.model.weights import safetensors_of
from workers.checkpoint import shipped
from workers.model import download
from workers.model import source as model_source
from workers.model.source import find_model

PARTS = ("transformer", "vae")


def a_checkpoint(folder: Path, weights: bytes = b"weights") -> Path:
    for part in PARTS:
        (folder / part).mkdir(parents=True)
        (folder / part / "model.safetensors").write_bytes(safetensors_of(weights))
    (folder / "model_index.json").write_text("{}")
    return folder


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped weights, instead of those of this installation."""
    folder = tmp_path / "weights"
    monkeypatch.setattr(shipped, "DEMO_WEIGHTS", folder)
    return a_checkpoint(folder)


@pytest.fixture
def with_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_source, "place", lambda _: SimpleNamespace(device=torch.device("cuda")))


@pytest.mark.parametrize("model", ["demo", None], ids=["by name", "no model named"])
def test_a_worker_without_a_gpu_serves_the_demonstration_model(weights: Path, model: str | None) -> None:
    assert find_model(Settings(model=model, device="cpu"), PARTS).folder == str(weights)


def test_a_worker_that_was_given_no_model_logs_which_one_it_serves(weights: Path) -> None:
    with structlog.testing.capture_logs() as events:
        find_model(Settings(device="cpu"), PARTS)
    assert [(event["event"], event["model"]) for event in events] == [("model.default", "demo")]


@pytest.mark.usefixtures("weights", "with_gpu")
def test_a_worker_with_a_gpu_asks_for_a_model() -> None:
    with pytest.raises(MissingCheckpoint, match="no model: set GRIDPRESS_MODEL"):
        find_model(Settings(), PARTS)


@pytest.mark.usefixtures("with_gpu")
def test_a_worker_with_a_gpu_serves_the_demonstration_model_by_name(weights: Path) -> None:
    assert find_model(Settings(model="demo"), PARTS).folder == str(weights)


@pytest.mark.parametrize(("model", "why"), [("demo", "lacks the demonstration model's weights"), (None, "no model")])
def test_an_installation_without_the_weights_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str | None, why: str
) -> None:
    monkeypatch.setattr(shipped, "DEMO_WEIGHTS", tmp_path / "nowhere")
    with pytest.raises(MissingCheckpoint, match=why):
        find_model(Settings(model=model, device="cpu"), PARTS)


def test_the_demonstration_models_revision_tells_its_name_and_follows_its_content(weights: Path) -> None:
    by_name = find_model(Settings(model="demo"), PARTS).revision
    assert is_demo(by_name)
    assert find_model(Settings(model=str(weights)), PARTS).revision == by_name
    (weights / "vae" / "model.safetensors").write_bytes(safetensors_of(b"trained on"))
    assert is_demo(find_model(Settings(model="demo"), PARTS).revision)
    assert find_model(Settings(model="demo"), PARTS).revision != by_name


@pytest.mark.parametrize("revision", ["a" * 40, "v2", None])
def test_a_model_of_the_hub_is_fetched_at_its_revision_and_a_worker_without_one_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str | None
) -> None:
    asked: list[str | None] = []
    snapshot = a_checkpoint(tmp_path / "snapshots" / ("c" * 40))

    def fetch(model: str, *, revision: str | None, dry_run: bool = False, **_: object) -> str | list[str]:
        asked.append(revision)
        return [] if dry_run else str(snapshot)

    monkeypatch.setattr(download, "snapshot_download", fetch)
    with structlog.testing.capture_logs() as events:
        found = find_model(Settings(model="zai-org/GLM-Image", model_revision=revision), PARTS)
    assert (set(asked), found.revision) == ({revision}, "c" * 12)
    assert [event["commit"] for event in events] == ([] if revision else ["c" * 40])


def test_a_model_with_exact_in_fp8_has_a_revision_of_its_own(weights: Path) -> None:
    revisions = {fp8: find_model(Settings(model=str(weights), dit_fp8=fp8), PARTS).revision for fp8 in ("off", "all")}
    assert revisions["all"] == f"{revisions['off']}-fp8"
    assert is_demo(revisions["all"])


def test_no_other_checkpoint_passes_for_the_demonstration_model(weights: Path, tmp_path: Path) -> None:
    other = a_checkpoint(tmp_path / "other")
    demo = find_model(Settings(model=str(weights)), PARTS).revision
    assert f"demo-{find_model(Settings(model=str(other)), PARTS).revision}" == demo
