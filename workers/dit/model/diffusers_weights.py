"""Loads a model of diffusers tensor by tensor from files to a device. It refuses a checkpoint that lacks a tensor, or
has one of another shape.
"""

from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from accelerate.utils import set_module_tensor_to_device
from diffusers import ModelMixin

from shared.errors import MissingCheckpoint
from workers.model.weights import (
    OnBytes,
    as_missing,
    ignore_bytes,
    refuse_incomplete,
    stored_tensors,
    wrong_shape,
)


def load_with_diffusers(
    kind: type[ModelMixin], part: Path, device: torch.device, dtype: torch.dtype, on_bytes: OnBytes = ignore_bytes
) -> Any:
    """Returns a model of diffusers with the weights in the folder `part`, on the device.

    Raises `MissingCheckpoint` if the folder has no model of this kind with all its weights.
    """
    with as_missing(part), stored_tensors(part, on_bytes) as tensors:
        model = _without_weights(kind, part)
        named = dict(tensors)
        model._fix_state_dict_keys_on_load(named)  # the VAE's attention had other names in earlier releases
        wanted = model.state_dict()
        refuse_incomplete(part, wanted.keys() - named.keys())
        for name, empty in wanted.items():
            tensor = named[name][...]
            if tensor.shape != empty.shape:
                raise wrong_shape(named[name].place, name, tensor.shape, empty.shape)
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
