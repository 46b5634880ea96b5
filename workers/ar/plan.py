"""How many sequences an AR worker decodes at once, and how much KV memory they share. Decided once, at start-up."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from shared.errors import Misconfigured
from shared.geometry import num_decode_steps
from workers.ar.model.loading import ArModel
from workers.ar.model.runner import kv_bytes_per_token

_GPU_SEQUENCES, _CPU_SEQUENCES = 32, 16  # a GPU step costs hardly more at 32; two CPU cores are compute-bound at 16
_GPU_SHARE = 0.8  # of the memory that is free once the weights are in place; the rest is for activations
_CPU_BYTES = 2 * 2**30
# A 2048x2048 render with a prompt of 2,000 tokens. More for each sequence would lie idle, and a DiT worker on the same
# card needs the room.
_LONG_TOKENS = 6_400
_PROMPT_TOKENS = 300  # a typical prompt, for the figures that are shown


@dataclass(frozen=True, slots=True)
class KvPlan:
    """`num_kv_tokens` of memory, shared by at most `max_sequences`."""

    max_sequences: int
    num_kv_tokens: int
    bytes_per_token: int
    weight_bytes: int

    def facts(self) -> Mapping[str, object]:
        """Returns the bytes, and how many text-to-image renders of each size fit, for the log."""
        sides_px = (256, 512, 1024, 2048)
        return {
            "weight_mib": self.weight_bytes // 2**20,
            "kv_mib": self.num_kv_tokens * self.bytes_per_token // 2**20,
            "max_sequences": self.max_sequences,
            "sequences_that_fit": {f"{side}x{side}": self._num_fitting(side) for side in sides_px},
        }

    def _num_fitting(self, side_px: int) -> int:
        tokens = _PROMPT_TOKENS + num_decode_steps(side_px, side_px, is_edit=False)
        return min(self.max_sequences, self.num_kv_tokens // tokens)


def plan_memory(model: ArModel, max_sequences: int | None, kv_bytes: int | None) -> KvPlan:
    """Raises `Misconfigured` when the memory could not hold a single 1024x1024 render, or rows must not be shared."""
    max_sequences = _that_share_exactly(model, max_sequences)
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


def _that_share_exactly(model: ArModel, max_sequences: int | None) -> int | None:
    """One sequence at a time on a CPU in another type than float32.

    How many rows are multiplied together moves a product by a rounding error there. float32's changes no token, that of
    a 16-bit type may, and a picture must not depend on the load.
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
    """Sequences and bytes of KV memory. `free_gpu_bytes` is what the weights leave of a GPU; None on a CPU."""
    on_gpu = free_gpu_bytes is not None
    num_sequences = max_sequences or (_GPU_SEQUENCES if on_gpu else _CPU_SEQUENCES)
    room = int(_GPU_SHARE * free_gpu_bytes) if free_gpu_bytes is not None else _CPU_BYTES
    return num_sequences, kv_bytes or min(room, num_sequences * _LONG_TOKENS * bytes_per_token)
