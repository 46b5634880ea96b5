"""Weights come tensor by tensor, as the libraries would load them. What a file lacks is named and never made up."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, GlmImageTransformer2DModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import GlmImageForConditionalGeneration, T5EncoderModel

from shared.errors import MissingCheckpoint
from workers.dit.model.diffusers_weights import load_with_diffusers
from workers.model.shards import num_weight_bytes
from workers.model.weights import load_with_transformers

CPU = torch.device("cpu")
MODELS: dict[str, tuple[Any, Any]] = {
    "vision_language_encoder": (GlmImageForConditionalGeneration, load_with_transformers),
    "text_encoder": (T5EncoderModel, load_with_transformers),
    "transformer": (GlmImageTransformer2DModel, load_with_diffusers),
    "vae": (AutoencoderKL, load_with_diffusers),
}


def load(folder: Path, part: str, dtype: torch.dtype = torch.float32, **options: Any) -> Any:
    kind, loader = MODELS[part]
    return loader(kind, folder / part, CPU, dtype, **options)


@pytest.mark.parametrize("part", MODELS)
def test_a_model_has_the_weights_and_buffers_that_its_library_would_load(tiny_checkpoint: Path, part: str) -> None:
    kind, _ = MODELS[part]
    ours = load(tiny_checkpoint, part, torch.float16)
    theirs = kind.from_pretrained(tiny_checkpoint / part, dtype=torch.float16)
    for mine, other in (
        (ours.state_dict(), theirs.state_dict()),
        (dict(ours.named_buffers()), dict(theirs.named_buffers())),
    ):
        assert {name: tensor.dtype for name, tensor in mine.items()} == {
            name: tensor.dtype for name, tensor in other.items()
        }
        assert all(torch.equal(mine[name], other[name]) for name in other)
    assert not ours.training


@pytest.mark.parametrize("part", MODELS)
def test_every_byte_of_the_files_is_counted_once(tiny_checkpoint: Path, part: str) -> None:
    counted: list[int] = []
    load(tiny_checkpoint, part, on_bytes=counted.append)
    assert sum(counted) == num_weight_bytes(tiny_checkpoint, [part])
    assert len(counted) > 1


def rewrite(part: Path, change: Callable[[dict[str, Tensor], str], None]) -> str:
    """Changes the tensors of the only file of weights. `change` also gets the name of one, which is returned."""
    (file,) = part.glob("*.safetensors")
    tensors = load_file(file)
    name = min(tensors)
    change(tensors, name)
    save_file(tensors, file, {"format": "pt"})
    return name


def drop(tensors: dict[str, Tensor], name: str) -> None:
    del tensors[name]


def crop(tensors: dict[str, Tensor], name: str) -> None:
    tensors[name] = tensors[name][:-1].clone()


def refusal(folder: Path, part: str) -> str:
    with pytest.raises(MissingCheckpoint) as refused:
        load(folder, part)
    message = str(refused.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("part", MODELS)
def test_a_tensor_that_no_file_has_is_named(tiny_checkpoint: Path, tmp_path: Path, part: str) -> None:
    shutil.copytree(tiny_checkpoint / part, tmp_path / part)
    name = rewrite(tmp_path / part, drop)
    assert f"no file of weights in {tmp_path / part} has the tensor {name}" in refusal(tmp_path, part)


@pytest.mark.parametrize("part", MODELS)
def test_a_tensor_of_another_shape_is_refused(tiny_checkpoint: Path, tmp_path: Path, part: str) -> None:
    shutil.copytree(tiny_checkpoint / part, tmp_path / part)
    name = rewrite(tmp_path / part, crop)
    assert name in refusal(tmp_path, part)


@pytest.mark.parametrize("part", MODELS)
def test_the_weights_of_another_part_are_refused(tiny_checkpoint: Path, tmp_path: Path, part: str) -> None:
    other = "vae" if part != "vae" else "transformer"
    shutil.copytree(tiny_checkpoint / part, tmp_path / part)
    (file,) = (tmp_path / part).glob("*.safetensors")
    (theirs,) = (tiny_checkpoint / other).glob("*.safetensors")
    shutil.copy(theirs, file)
    assert "has the tensor" in refusal(tmp_path, part)


@pytest.mark.parametrize("text", ["", "[]"])
@pytest.mark.parametrize("part", MODELS)
def test_a_broken_configuration_is_one_line(tiny_checkpoint: Path, tmp_path: Path, part: str, text: str) -> None:
    shutil.copytree(tiny_checkpoint / part, tmp_path / part)
    (tmp_path / part / "config.json").write_text(text)
    assert str(tmp_path / part) in refusal(tmp_path, part)
