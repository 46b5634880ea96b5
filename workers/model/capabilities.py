"""What torch finds on this machine, and what it can do. Loads no model."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec

import diffusers
import torch
from diffusers import GlmImageTransformer2DModel

from shared.errors import Misconfigured
from workers.dit.model.options import ATTENTION_BACKENDS, COMPILERS, DitOptions, apply_options, refuse_without_fp8


def capabilities(device: torch.device, dtype: torch.dtype) -> Mapping[str, str]:
    """Facts in an operator's words."""
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
    """Memory of a GPU that nobody uses now; None for a CPU."""
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
    """Those that compute on the device. What would be fetched from a hub (`*_hub`) is not tried."""
    tiny = GlmImageTransformer2DModel(
        num_layers=1, num_attention_heads=1, attention_head_dim=64, prior_vq_quantizer_codebook_size=1
    )
    with _silenced():
        tiny.to(device, dtype)
        for backend in ATTENTION_BACKENDS:
            if not backend.endswith("_hub"):
                with suppress(Misconfigured):
                    apply_options(tiny, DitOptions(attention=backend))
                    yield backend


@contextmanager
def _silenced() -> Iterator[None]:
    """Every try is announced by diffusers, and some backends warn of their own slowness."""
    level = diffusers.utils.logging.get_verbosity()
    diffusers.utils.logging.set_verbosity_error()
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        diffusers.utils.logging.set_verbosity(level)


def _yes(is_there: bool) -> str:
    return "yes" if is_there else "no"
