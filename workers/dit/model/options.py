"""Options for the computation of the diffusion transformer: compiled blocks, another attention backend of diffusers,
FP8 weights.

It applies them and refuses what can't work on this machine. `choosing.py` chooses them.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Literal

import torch
from diffusers import GlmImageTransformer2DModel
from diffusers.models.attention_dispatch import AttentionBackendName, dispatch_attention_fn
from torch import nn

from shared.errors import Misconfigured
from workers.device.packed_linear import PackedLinear

COMPILERS = ("inductor", "aot_eager", "eager")
ATTENTION_BACKENDS = tuple(sorted(backend.value for backend in AttentionBackendName))
_MOST_GRAPHS = 64  # far more than the kinds of requests need
_FP8_CAPABILITY = (8, 9)  # compute capability of Ada; the first GPUs with FP8 in hardware are Ada and Hopper


@dataclass(frozen=True, slots=True)
class DitOptions:
    """The options of the DiT. None and False stand for diffusers' default. Raises `Misconfigured` for an unknown name
    of an option.

    - `fp8` says which renders use blocks in FP8: `all`, or `tiers`, which are those of every quality but `exact`. With
      `tiers` the device holds both the blocks of the checkpoint and a copy in FP8.
    - `channels_last` is the layout of the VAE's weights.
    - Up to `guidance_batch_px` pixels, the two guidance branches of a picture share a forward pass.
    - `warm_up` has the picture sizes (width, height) in pixels that are rendered at start-up: on a GPU, or if
      `compiler` is set.
    - `reasons` has the reason for each option, for people.
    """

    compiler: str | None = None
    attention: str | None = None
    fp8: Literal["all", "tiers"] | None = None
    channels_last: bool = False
    guidance_batch_px: int = 0
    warm_up: Sequence[tuple[int, int]] = ()
    reasons: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        _check("GRIDPRESS_DIT_COMPILE", self.compiler, COMPILERS)
        _check("GRIDPRESS_DIT_ATTENTION", self.attention, ATTENTION_BACKENDS)

    def facts(self) -> Mapping[str, str]:
        """Returns the options that are on. Manifests contain them, because a picture depends on them."""
        weights = {"all": "fp8, also for exact", "tiers": "fp8 except for exact", None: None}[self.fp8]
        layout = "channels_last" if self.channels_last else None
        named = {"compiler": self.compiler, "attention": self.attention, "weights": weights, "vae_layout": layout}
        named["guidance_batched_to_px"] = str(self.guidance_batch_px or "")
        return {name: value for name, value in named.items() if value}


def apply_options(
    transformer: GlmImageTransformer2DModel, options: DitOptions, device: torch.device | None = None
) -> nn.ModuleList | None:
    """Moves the transformer to `device`, if one is given, and applies the options to it in place. It compiles nothing
    yet; the first forward pass does. Returns the copy of the blocks in FP8, or None if no render uses one.

    Raises `Misconfigured` if this machine lacks something that an option needs.
    """
    blocks, fp8_copy = transformer.transformer_blocks, None
    device = device or transformer.device
    if options.fp8:
        refuse_without_fp8(device)
        if options.fp8 == "tiers":
            fp8_copy = nn.ModuleList(_quantized(copy.deepcopy(block), device, for_speed=True) for block in blocks)
        else:
            for block in blocks:
                _quantized(block, device, for_speed=False)
    transformer.to(device)
    if options.attention:
        _set_attention(transformer, options.attention)
    if options.compiler:
        _refuse_packed(transformer, options.compiler)
        # Text lengths differ from prompt to prompt. With dynamic shapes one graph serves every size. With too low a
        # limit, torch would silently stop compiling.
        torch._dynamo.config.recompile_limit = _MOST_GRAPHS
        for block in (*blocks, *(fp8_copy or ())):
            block.compile(backend=options.compiler, dynamic=True)
    return fp8_copy


def attention_problem(backend: str, device: torch.device, dtype: torch.dtype, head_dim: int = 128) -> str | None:
    """Returns why an attention backend can't run on the device, or None if it can. It tries the backend once."""
    probe = torch.zeros((1, 16, 1, head_dim), device=device, dtype=dtype)
    try:
        dispatch_attention_fn(probe, probe, probe, backend=AttentionBackendName(backend))
    except (RuntimeError, ValueError, ImportError, TypeError, AttributeError, NotImplementedError) as error:
        return str(error).strip().partition("\n")[0]
    return None


def _set_attention(transformer: GlmImageTransformer2DModel, backend: str) -> None:
    head_dim = transformer.config.attention_head_dim
    try:
        transformer.set_attention_backend(backend)
        reason = attention_problem(backend, transformer.device, transformer.dtype, head_dim)
    except (RuntimeError, ValueError, ImportError, NotImplementedError) as error:
        reason = str(error).strip().partition("\n")[0]
    if reason is not None:
        transformer.reset_attention_backend()
        raise Misconfigured(f"GRIDPRESS_DIT_ATTENTION={backend} cannot run on this device: {reason}")


def _quantized(block: nn.Module, device: torch.device, *, for_speed: bool) -> nn.Module:
    """Moves a block to the device and converts the weights of its linear layers to float8, with one scale for each row.
    Returns the same block.

    Callers convert one block after the other, and copy it shortly before. So the device never holds a second set of all
    blocks of the checkpoint, or with `all` even a first one.

    With `for_speed`, inputs are converted as well, and the products are computed in float8. Otherwise they are computed
    in the model's dtype, which only saves memory.
    """
    quantization = import_module("torchao.quantization")  # torchao is an optional dependency
    config = (
        quantization.Float8DynamicActivationFloat8WeightConfig(granularity=quantization.PerRow())
        if for_speed
        else quantization.Float8WeightOnlyConfig()
    )
    quantization.quantize_(block.to(device), config)
    return block


def _refuse_packed(transformer: GlmImageTransformer2DModel, compiler: str) -> None:
    """Raises `Misconfigured` if the compiler is Inductor and weights are packed for oneDNN. Inductor can't read packed
    weights, and would not be faster.
    """
    if compiler == "inductor" and any(isinstance(module, PackedLinear) for module in transformer.modules()):
        raise Misconfigured("GRIDPRESS_DIT_COMPILE=inductor is for a GPU; on a CPU it works in bfloat16 only")


def refuse_without_fp8(device: torch.device) -> None:
    """Raises `Misconfigured` if FP8 weights can't be used on this device. The message says what is missing."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < _FP8_CAPABILITY:
        raise Misconfigured("GRIDPRESS_DIT_FP8 needs a GPU of compute capability 8.9 or more (Ada, Hopper, Blackwell)")
    if not find_spec("torchao"):
        raise Misconfigured("GRIDPRESS_DIT_FP8 needs torchao: pip install 'gridpress[fp8]'")


def _check(setting: str, name: str | None, allowed: Sequence[str]) -> None:
    if name is not None and name not in allowed:
        raise Misconfigured(f"{setting}={name} is none of {', '.join(allowed)}")
