import dataclasses
import shutil
from pathlib import Path

import pytest
import torch

from shared.errors import MissingCheckpoint
from workers.dit.model.loading import DitModel, load_dit_model


@pytest.fixture
def half_checkpoint(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A copy without the AR half, to be damaged."""
    without_ar = shutil.ignore_patterns("vision_language_encoder", "processor")
    return shutil.copytree(tiny_checkpoint, tmp_path / "half", ignore=without_ar)


def load(path: Path) -> DitModel:
    return load_dit_model(str(path), torch.device("cpu"), torch.float32)


def refusal(path: Path) -> str:
    """The one line that a worker without this checkpoint says."""
    with pytest.raises(MissingCheckpoint) as refused:
        load(path)
    message = str(refused.value)
    assert "GRIDPRESS_MODEL=demo" in message
    assert "\n" not in message
    return message


def test_the_ar_half_is_not_needed(half_checkpoint: Path) -> None:
    assert load(half_checkpoint).token_px == 16


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"no folder {tmp_path / 'nowhere'}" in refusal(tmp_path / "nowhere")


def test_every_part_that_is_missing_is_named(half_checkpoint: Path) -> None:
    shutil.rmtree(half_checkpoint / "vae")
    shutil.rmtree(half_checkpoint / "scheduler")
    assert "vae, scheduler missing" in refusal(half_checkpoint)


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder"])
def test_a_part_with_broken_weights_is_named(half_checkpoint: Path, part: str) -> None:
    (weights,) = (half_checkpoint / part).glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(MissingCheckpoint) as refused:
        load(half_checkpoint)
    message = str(refused.value)
    assert f"{part}/{weights.name} is truncated" in message
    assert message.endswith("Copy these files again, or run gridpress pull again")


def test_pickled_weights_are_not_read(half_checkpoint: Path) -> None:
    (weights,) = (half_checkpoint / "vae").glob("*.safetensors")
    torch.save({}, weights.with_suffix(".bin"))
    weights.unlink()
    assert "cannot load the vae" in refusal(half_checkpoint)


@pytest.mark.parametrize(("low_memory", "places"), [(False, ["device"]), (True, ["device", "cpu"])])
def test_low_memory_takes_a_part_off_the_device_after_its_use(
    dit_model: DitModel, low_memory: bool, places: list[str]
) -> None:
    class Part:
        def __init__(self) -> None:
            self.places: list[str] = []

        def to(self, place: str) -> None:
            self.places.append(place)

    part, model = Part(), dataclasses.replace(dit_model, device="device", low_memory=low_memory)
    with model.on_device(part):
        assert part.places == ["device"]
    assert part.places == places
