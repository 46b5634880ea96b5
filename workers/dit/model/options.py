"""Options for the computation of the diffusion transformer: compiled blocks, another attention backend of diffusers,
FP8 weights.

Every option is off unless a setting turns it on. An option that can't work on this machine is refused at start-up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

import torch
from diffusers import GlmImageTransformer2DModel
from diffusers.models.attention_dispatch import AttentionBackendName, dispatch_attention_fn
from torch import nn

from shared.errors import InvalidRequest, Misconfigured
from shared.geometry import check_size
from shared.settings.settings import Settings
from workers.device.packed_linear import PackedLinear

COMPILERS = ("inductor", "aot_eager", "eager")
ATTENTION_BACKENDS = tuple(sorted(backend.value for backend in AttentionBackendName))
_MOST_GRAPHS = 64  # far more than the kinds of requests need
_FP8_CAPABILITY = (8, 9)  # compute capability of Ada; the first GPUs with FP8 in hardware are Ada and Hopper


@dataclass(frozen=True, slots=True)
class DitOptions:
    """The options of the transformer. None and False stand for diffusers' default. Raises `Misconfigured` for an
    unknown name of an option.

    `warm_up` has the picture sizes (width, height) in pixels for which a step is compiled at start-up. It is used only
    if `compiler` is set.
    """

    compiler: str | None = None
    attention: str | None = None
    fp8: bool = False
    warm_up: Sequence[tuple[int, int]] = ()

    def __post_init__(self) -> None:
        _check("GRIDPRESS_DIT_COMPILE", self.compiler, COMPILERS)
        _check("GRIDPRESS_DIT_ATTENTION", self.attention, ATTENTION_BACKENDS)

    def facts(self) -> Mapping[str, str]:
        """Returns the options that are on. Manifests contain them, because a picture depends on them."""
        named = {"compiler": self.compiler, "attention": self.attention, "weights": "fp8" if self.fp8 else None}
        return {name: value for name, value in named.items() if value}


def options_of(settings: Settings) -> DitOptions:
    """Returns the options of the transformer that the settings choose.

    Raises `Misconfigured` if a setting is invalid or conflicts with another one.
    """
    if settings.dit_fp8 and settings.share_device:
        raise Misconfigured(
            "GRIDPRESS_DIT_FP8 and GRIDPRESS_SHARE_DEVICE exclude each other: FP8 weights cannot be parked"
        )
    return DitOptions(
        compiler=settings.dit_compile,
        attention=settings.dit_attention,
        fp8=settings.dit_fp8,
        warm_up=_sizes(settings.dit_warm_up),
    )


def apply_options(transformer: GlmImageTransformer2DModel, options: DitOptions) -> None:
    """Applies the options to the transformer in place, on its device. It compiles nothing yet; the first forward pass
    does.

    Raises `Misconfigured` if this machine lacks something that an option needs.
    """
    if options.attention:
        _set_attention(transformer, options.attention)
    if options.fp8:
        _quantize(transformer)
    if options.compiler:
        _refuse_packed(transformer, options.compiler)
        # Text lengths differ from prompt to prompt. With dynamic shapes one graph serves every size. With too low a
        # limit, torch would silently stop compiling.
        torch._dynamo.config.recompile_limit = _MOST_GRAPHS
        transformer.compile_repeated_blocks(backend=options.compiler, dynamic=True)


def _set_attention(transformer: GlmImageTransformer2DModel, backend: str) -> None:
    config = transformer.config
    shape = (1, 16, config.num_attention_heads, config.attention_head_dim)
    probe = torch.zeros(shape, device=transformer.device, dtype=transformer.dtype)
    try:
        transformer.set_attention_backend(backend)
        dispatch_attention_fn(probe, probe, probe, backend=AttentionBackendName(backend))
    except (RuntimeError, ValueError, ImportError, TypeError, AttributeError, NotImplementedError) as error:
        transformer.reset_attention_backend()
        reason = str(error).strip().partition("\n")[0]
        raise Misconfigured(f"GRIDPRESS_DIT_ATTENTION={backend} cannot run on this device: {reason}") from error


def _quantize(transformer: GlmImageTransformer2DModel) -> None:
    """Converts the weights of the linear layers in the transformer's blocks to float8, with one scale for each row.

    Matrix products are still computed in the model's dtype.
    """
    refuse_without_fp8(transformer.device)
    quantization = import_module("torchao.quantization")  # torchao is an optional dependency

    def is_wanted(module: nn.Module, name: str) -> bool:
        return isinstance(module, nn.Linear) and name.startswith("transformer_blocks.")

    quantization.quantize_(transformer, quantization.Float8WeightOnlyConfig(), filter_fn=is_wanted)


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


def _sizes(text: str) -> tuple[tuple[int, int], ...]:
    """Parses sizes such as `"1024x1024,768x512"` into pairs (width, height) in pixels."""
    try:
        return tuple(_size(part) for part in text.split(",") if part.strip())
    except (ValueError, InvalidRequest) as error:
        raise Misconfigured(f"GRIDPRESS_DIT_WARM_UP={text} is no list of sizes such as 1024x1024,768x512") from error


def _size(text: str) -> tuple[int, int]:
    width, height = (int(side) for side in text.split("x"))
    check_size(width, height)
    return width, height
