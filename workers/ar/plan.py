"""Decides at start-up how many sequences an AR worker decodes at once, and how much KV memory they share."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from shared.errors import Misconfigured
from shared.geometry import SIZE_MULTIPLE_PX, num_decode_steps
from shared.schedule.sizes import SizeClass, Sizes
from workers.ar.model.loading import ArModel
from workers.ar.model.runner import kv_bytes_per_token

# Default numbers of sequences. A GPU step costs hardly more with 32 rows than with fewer. Two CPU cores are
# compute-bound with 16 rows.
_GPU_SEQUENCES, _CPU_SEQUENCES = 32, 16
_GPU_SHARE = 0.8  # of the GPU memory that is free after the weights are loaded; the rest is for activations
_CPU_BYTES = 2 * 2**30
# Tokens of a 2048x2048 render with a prompt of 2,000 tokens. More KV memory for each sequence would stay unused, and a
# DiT worker on the same GPU needs the memory.
_LONG_TOKENS = 6_400
_LONG_PROMPT_TOKENS = 2_000
_PROMPT_TOKENS = 300  # length of a typical prompt, for the figures in the log


@dataclass(frozen=True, slots=True)
class KvPlan:
    """The plan of an AR worker's KV memory. The memory has room for `num_kv_tokens` tokens, which at most
    `max_sequences` sequences share.
    """

    max_sequences: int
    num_kv_tokens: int
    bytes_per_token: int
    weight_bytes: int

    def facts(self) -> Mapping[str, object]:
        """Returns the plan for the log: the memory in MiB, and how many text-to-image renders of each size fit."""
        sides_px = (256, 512, 1024, 2048)
        return {
            "weight_mib": self.weight_bytes // 2**20,
            "kv_mib": self.num_kv_tokens * self.bytes_per_token // 2**20,
            "max_sequences": self.max_sequences,
            "sequences_that_fit": {f"{side}x{side}": self._num_fitting(side) for side in sides_px},
        }

    @property
    def sizes(self) -> Sizes:
        """Returns the sizes of renders for which the KV memory has room, with a prompt of 2,000 tokens."""
        return Sizes.that_fit(lambda size: _num_tokens(size) <= self.num_kv_tokens)

    def _num_fitting(self, side_px: int) -> int:
        tokens = _PROMPT_TOKENS + num_decode_steps(side_px, side_px, is_edit=False)
        return min(self.max_sequences, self.num_kv_tokens // tokens)


def _num_tokens(size: SizeClass) -> int:
    """Returns how many tokens of KV memory the largest render of a size class needs. A token of a condition image
    covers as many pixels as one of the picture.
    """
    conditions = size.conditions_side_px // SIZE_MULTIPLE_PX
    is_edit = conditions > 0
    return _LONG_PROMPT_TOKENS + conditions**2 + num_decode_steps(size.side_px, size.side_px, is_edit=is_edit)


def plan_memory(model: ArModel, max_sequences: int | None, kv_bytes: int | None) -> KvPlan:
    """Plans the KV memory of a loaded model. `max_sequences` and `kv_bytes` are settings; None means the default.

    Raises `Misconfigured` if the memory has no room for a single 1024x1024 render. Also raises it if the settings ask
    for several rows in a step, but on this machine rows would change each other's tokens.
    """
    max_sequences = _max_exact_sequences(model, max_sequences)
    free = torch.cuda.mem_get_info(model.device)[0] if model.device.type == "cuda" else None
    per_token = kv_bytes_per_token(model)
    num_sequences, budget = kv_budget(max_sequences, kv_bytes, per_token, free)
    plan = KvPlan(
        max_sequences=num_sequences,
        num_kv_tokens=budget // per_token,
        bytes_per_token=per_token,
        weight_bytes=sum(weight.numel() * weight.element_size() for weight in model.network.parameters()),
    )
    if plan.num_kv_tokens < _PROMPT_TOKENS + num_decode_steps(1024, 1024, is_edit=False):
        raise Misconfigured(
            f"{budget} bytes of KV memory cannot hold one 1024x1024 render: raise GRIDPRESS_AR_KV_BYTES"
        )
    return plan


def _max_exact_sequences(model: ArModel, max_sequences: int | None) -> int | None:
    """Returns how many sequences may share a step without changing each other's tokens. This is 1 on a CPU in a 16-bit
    type, and the given setting elsewhere.

    On a CPU the number of rows in a matrix product changes the result by a rounding error. In float32 this error
    changes no token, but in a 16-bit type it may. A picture must not depend on the load.

    Raises `Misconfigured` if the setting is greater than 1 on a CPU in a 16-bit type.
    """
    dtype = model.network.dtype
    if model.device.type != "cpu" or dtype == torch.float32:
        return max_sequences
    if max_sequences and max_sequences > 1:
        name = str(dtype).removeprefix("torch.")
        raise Misconfigured(
            f"GRIDPRESS_AR_SLOTS={max_sequences} on a CPU in {name} would make tokens depend on the load: "
            "unset GRIDPRESS_DTYPE, or GRIDPRESS_AR_SLOTS (one render at a time then)"
        )
    return 1


def kv_budget(
    max_sequences: int | None, kv_bytes: int | None, bytes_per_token: int, free_gpu_bytes: int | None
) -> tuple[int, int]:
    """Returns the largest number of sequences, and the number of bytes of KV memory that they share.

    `free_gpu_bytes` is the GPU memory that is free after the weights are loaded; None means a CPU.
    """
    on_gpu = free_gpu_bytes is not None
    num_sequences = max_sequences or (_GPU_SEQUENCES if on_gpu else _CPU_SEQUENCES)
    room = int(_GPU_SHARE * free_gpu_bytes) if free_gpu_bytes is not None else _CPU_BYTES
    return num_sequences, kv_bytes or min(room, num_sequences * _LONG_TOKENS * bytes_per_token)
