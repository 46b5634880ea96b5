"""Chooses the code that computes a decode step, except its matrix products: torch or Triton."""

from dataclasses import dataclass, replace
from typing import Literal

from workers.ar.model.attention import Attention, RowAttention
from workers.ar.model.kv_memory import KvMemory
from workers.ar.model.layer_ops import LayerOps, TorchOps
from workers.ar.model.loading import ArModel
from workers.ar.model.row_sampling import SampleRows, TorchSampling
from workers.ar.noise import CounterNoise
from workers.ar.sampler import Choose, choose_by_race, choose_kept


@dataclass(frozen=True, slots=True)
class StepKernels:
    """The code that computes all of a decode step except its matrix products. `name` is its name in manifests."""

    name: Literal["torch", "triton"]
    attention: Attention
    ops: LayerOps
    sample: SampleRows


def torch_kernels(model: ArModel, memory: KvMemory) -> StepKernels:
    """Returns torch's operations, for any device. A CUDA graph can't record their attention."""
    text = model.network.config.text_config
    ops = TorchOps(memory, text.num_attention_heads, text.rms_norm_eps)
    return StepKernels("torch", RowAttention(memory), ops, _torch_sampling(model, choose_kept))


def cpu_kernels(model: ArModel, memory: KvMemory) -> StepKernels:
    """Returns torch's operations for a CPU. They give the same tokens as `torch_kernels`, faster."""
    return replace(torch_kernels(model, memory), sample=_torch_sampling(model, choose_by_race))


def triton_kernels(model: ArModel, memory: KvMemory, num_rows: int) -> StepKernels:
    """Returns the Triton kernels, for steps of `num_rows` rows on a GPU. A CUDA graph can record them.

    If the checkpoint's top-k excludes codes, torch samples the tokens. Raises `ImportError` if Triton is missing.
    """
    # A CPU worker lacks Triton, so the kernels are imported here.
    from workers.ar.kernels.fused_ops import FusedOps  # noqa: PLC0415
    from workers.ar.kernels.fused_sampling import FusedSampling  # noqa: PLC0415
    from workers.ar.kernels.split_attention import SplitAttention  # noqa: PLC0415

    text = model.network.config.text_config
    ops = FusedOps(memory, text.num_attention_heads, text.rms_norm_eps)
    attention = SplitAttention(memory, num_rows, text.num_attention_heads)
    has_top_k = model.sampling.top_k < model.sampling.num_codes
    sample = _torch_sampling(model, choose_kept) if has_top_k else FusedSampling(model.sampling.num_codes)
    return StepKernels("triton", attention, ops, sample)


def _torch_sampling(model: ArModel, choose: Choose) -> SampleRows:
    return TorchSampling(model.sampling, CounterNoise(model.sampling.num_codes, model.device), choose)
