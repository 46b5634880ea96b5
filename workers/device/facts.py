"""Describes the software and the device that compute a stage, for the manifests of pictures."""

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

import torch

from workers.device.placement import Placement


def engine_facts(placement: Placement, packages: Sequence[str]) -> Mapping[str, str]:
    """Returns facts about this worker on which its results depend, in addition to the request and the weights: device,
    number type, and the versions of `packages` and of torch.

    On a GPU they include the GPU's model and compute capability, and the versions of CUDA, cuDNN and Triton.
    """
    facts = {"device": placement.device.type, "dtype": str(placement.dtype).removeprefix("torch.")}
    if placement.device.type == "cuda":
        facts |= _gpu_facts(placement)
    return facts | {name: version(name) for name in ("gridpress", "torch", *packages)}


def _gpu_facts(placement: Placement) -> Mapping[str, str]:
    major, minor = torch.cuda.get_device_capability(placement.device)
    return {
        "gpu": placement.title,
        "capability": f"{major}.{minor}",
        "cuda": torch.version.cuda or "unknown",
        "cudnn": str(torch.backends.cudnn.version() or "missing"),  # type: ignore[no-untyped-call]
        "triton": _version("triton"),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
