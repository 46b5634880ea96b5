"""Reads the weights of one model tensor by tensor, and loads a model of transformers with them.

No copy of all weights lies in host memory. A checkpoint that lacks a tensor, or has one of another shape, is refused. A
library would fill it with noise.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel

from shared.errors import MissingCheckpoint
from workers.model.download import HOW_TO_GET_ONE
from workers.model.shards import shards_of

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
    with as_missing(part), stored_tensors(part, on_bytes) as tensors:
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
            raise wrong_shape(part.name, name, has, needs)
        refuse_incomplete(part, found["missing_keys"])
        if model.can_generate() and (part / "generation_config.json").exists():
            model.generation_config = GenerationConfig.from_pretrained(part)
    return model.eval()


def wrong_shape(place: str, name: str, has: Sequence[int], needs: Sequence[int]) -> MissingCheckpoint:
    """Returns the error for a tensor of another shape than the model's. `place` is its file or folder."""
    return MissingCheckpoint(
        f"{place}: the tensor {name} has the shape {list(has)}, and the model of this folder needs {list(needs)}"
    )


def refuse_incomplete(part: Path, missing: Collection[str]) -> None:
    """Raises `MissingCheckpoint` if tensors are missing. `missing` has their names."""
    if names := sorted(missing):
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise MissingCheckpoint(f"no file of weights in {part} has the tensor {names[0]}{more}")


@contextmanager
def stored_tensors(part: Path, on_bytes: OnBytes) -> Iterator[Mapping[str, StoredTensor]]:
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
def as_missing(part: Path) -> Iterator[None]:
    """Translates the errors of the libraries that load a model to one line. Errors of a device pass through."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise MissingCheckpoint(f"cannot load {part}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
