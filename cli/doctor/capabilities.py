"""Reports which devices torch finds on this machine and which acceleration options work. Loads no checkpoint."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec

import torch
from diffusers import GlmImageTransformer2DModel

from shared.errors import Misconfigured
from workers.dit.model.options import ATTENTION_BACKENDS, COMPILERS, DitOptions, apply_options, refuse_without_fp8


def capabilities(device: torch.device, dtype: torch.dtype) -> Mapping[str, str]:
    """Returns facts about torch and one device for the report of `gridpress doctor`.

    They are, for example, torch's version, the GPUs, and the attention backends of diffusers that work on the device.
    """
    backends = torch.backends
    return {
        "torch": f"{torch.__version__}, {torch.get_num_threads()} threads",
        "GPUs": ", ".join(_gpus()) or "none",
        "oneDNN": _yes(backends.mkldnn.is_available()),  # type: ignore[no-untyped-call]
        "MKL": _yes(backends.mkl.is_available()),  # type: ignore[no-untyped-call]
        "triton": _yes(find_spec("triton") is not None),
        "FP8 weights": _fp8(device),
        "compilers": ", ".join(COMPILERS),
        "attention backends": ", ".join(_attention_backends(device, dtype)),
    }


def free_bytes(device: torch.device) -> int | None:
    """Returns the bytes of a GPU's memory that are free now, or None for a CPU."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None


def _gpus() -> Iterator[str]:
    for index in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(index)
        yield f"cuda:{index} {gpu.name}, {gpu.total_memory / 2**30:.0f} GiB, {gpu.major}.{gpu.minor}"


def _fp8(device: torch.device) -> str:
    try:
        refuse_without_fp8(device)
    except Misconfigured as error:
        return f"no: {error}"
    return "yes"


def _attention_backends(device: torch.device, dtype: torch.dtype) -> Iterator[str]:
    """Yields the names of diffusers' attention backends that work on the device. Tries each one with a tiny model.

    Backends that would have to be downloaded (`*_hub`) are not tried.
    """
    tiny = GlmImageTransformer2DModel(
        num_layers=1, num_attention_heads=1, attention_head_dim=64, prior_vq_quantizer_codebook_size=1
    )
    tiny.to(device, dtype)
    for backend in ATTENTION_BACKENDS:
        if not backend.endswith("_hub"):
            with suppress(Misconfigured):
                apply_options(tiny, DitOptions(attention=backend))
                yield backend


def _yes(is_there: bool) -> str:
    return "yes" if is_there else "no"
