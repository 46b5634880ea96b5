"""Lists the GPUs of this machine, and names one of them for a child process."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from cli.stack.gpus.assignment import Gpu
from shared.errors import Misconfigured

Listing = Callable[[], Sequence[Gpu]]

_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # NVIDIA's driver on Linux, and on Windows' Linux
_TIMEOUT_S = 120.0  # loading torch from a slow disk takes long


def has_driver() -> bool:
    """Returns whether this machine has a driver for GPUs. It is quick, and loads no torch."""
    return any(file.exists() for file in _DRIVERS)


def list_gpus() -> Sequence[Gpu]:
    """Returns the GPUs that a worker started here would see. A child process asks torch for them.

    Raises `Misconfigured` if the child process fails.
    """
    command = [sys.executable, "-P", "-m", "workers.device.listing"]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=_TIMEOUT_S)  # noqa: S603 - our own
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        last = (error.stderr or b"no answer").decode(errors="replace").strip().rpartition("\n")[2]
        raise Misconfigured(f"the GPUs of this machine can't be listed: {last}") from error
    return [Gpu(**each) for each in json.loads(done.stdout)]


def visible_name(gpu: Gpu, visible: str | None) -> str:
    """Returns the value of CUDA_VISIBLE_DEVICES with which a child process sees only this GPU, as its first one.

    `visible` is that variable in the environment in which the GPU was listed. The order of GPUs is then the same.
    """
    return visible.split(",")[gpu.index].strip() if visible else str(gpu.index)
