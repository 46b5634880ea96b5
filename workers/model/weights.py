"""Loads the weights of one model, tensor by tensor, from its files to a device. No copy of all weights lies in host
memory. It refuses a checkpoint that lacks a tensor, or has one of another shape: a library would fill it with noise.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from accelerate.utils import set_module_tensor_to_device
from diffusers import ModelMixin
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel

from shared.errors import MissingCheckpoint
from workers.model.shards import shards_of
from workers.model.source import HOW_TO_GET_ONE

OnBytes = Callable[[int], None]
"""Is called with the number of bytes of each tensor that has arrived. Threads call it at the same time."""


def ignore_bytes(_: int) -> None:
    """Does nothing, for callers that show no progress."""


class StoredTensor:
    """A tensor in a file of weights, which is read when it is indexed with `...`, as transformers does it."""

    def __init__(self, file: Any, name: str, place: str, on_bytes: OnBytes) -> None:
        """`place` is the name of the file with its folder, for errors."""
        self._file, self._name, self.place, self._on_bytes = file, name, place, on_bytes

    def __getitem__(self, _: object) -> Tensor:
        tensor: Tensor = self._file.get_tensor(self._name)
        self._on_bytes(tensor.numel() * tensor.element_size())
        return tensor


def load_with_transformers(
    kind: type[PreTrainedModel],
    part: Path,
    device: torch.device,
    dtype: torch.dtype,
    on_bytes: OnBytes = ignore_bytes,
) -> Any:
    """Returns a model of transformers with the weights in the folder `part`, on the device.

    Raises `MissingCheckpoint` if the folder has no model of this kind with all its weights.
    """
    with _as_missing(part), _stored(part, on_bytes) as tensors:
        model, found = kind.from_pretrained(
            None,
            config=kind.config_class.from_pretrained(part),
            state_dict=dict(tensors),
            dtype=dtype,
            device_map={"": device},
            ignore_mismatched_sizes=True,  # they are refused here, by name
            output_loading_info=True,
        )
        for name, has, needs in found["mismatched_keys"]:
            raise _wrong_shape(part.name, name, has, needs)
        _refuse_incomplete(part, found["missing_keys"])
        if model.can_generate() and (part / "generation_config.json").exists():
            model.generation_config = GenerationConfig.from_pretrained(part)
    return model.eval()


def load_with_diffusers(
    kind: type[ModelMixin], part: Path, device: torch.device, dtype: torch.dtype, on_bytes: OnBytes = ignore_bytes
) -> Any:
    """Returns a model of diffusers with the weights in the folder `part`, on the device.

    Raises `MissingCheckpoint` if the folder has no model of this kind with all its weights.
    """
    with _as_missing(part), _stored(part, on_bytes) as tensors:
        model = _without_weights(kind, part)
        named = dict(tensors)
        model._fix_state_dict_keys_on_load(named)  # the VAE's attention had other names in earlier releases
        wanted = model.state_dict()
        _refuse_incomplete(part, wanted.keys() - named.keys())
        for name, empty in wanted.items():
            tensor = named[name][...]
            if tensor.shape != empty.shape:
                raise _wrong_shape(named[name].place, name, tensor.shape, empty.shape)
            kept = dtype if tensor.is_floating_point() else tensor.dtype
            value = tensor.to(device).contiguous()
            set_module_tensor_to_device(model, name, device, value=value, dtype=kept, clear_cache=False)
    return model.to(device).eval()  # buffers that no file has


def _without_weights(kind: type[ModelMixin], part: Path) -> Any:
    """Returns a model of diffusers whose weights have shapes and no data. Its buffers have data."""
    config = kind.load_config(part)
    if not isinstance(config, dict):
        raise MissingCheckpoint(f"cannot load {part}: its config.json is no object")
    with init_empty_weights():
        return kind.from_config(config)


def _wrong_shape(place: str, name: str, has: Sequence[int], needs: Sequence[int]) -> MissingCheckpoint:
    return MissingCheckpoint(
        f"{place}: the tensor {name} has the shape {list(has)}, and the model of this folder needs {list(needs)}"
    )


def _refuse_incomplete(part: Path, missing: Any) -> None:
    if names := sorted(missing):
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise MissingCheckpoint(f"no file of weights in {part} has the tensor {names[0]}{more}")


@contextmanager
def _stored(part: Path, on_bytes: OnBytes) -> Iterator[Mapping[str, StoredTensor]]:
    """Yields all tensors in a part's files of weights by name. Each file is open, and mapped into memory, meanwhile.

    Pickled weights are not read, since they could run code.
    """
    files: Mapping[Path, Any] = {shard: safe_open(shard, framework="pt") for shard in shards_of(part)}
    if not files:
        reason = "it has no file of weights (*.safetensors)"
        raise MissingCheckpoint(f"cannot load the {part.name} of {part.parent}: {reason}. {HOW_TO_GET_ONE}")
    yield {
        name: StoredTensor(file, name, f"{part.name}/{shard.name}", on_bytes)
        for shard, file in files.items()
        for name in file.keys()  # noqa: SIM118 - it is no mapping
    }


@contextmanager
def _as_missing(part: Path) -> Iterator[None]:
    """Translates the errors of the libraries that load a model to one line. Errors of a device pass through."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise MissingCheckpoint(f"cannot load {part}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
