"""Recognises errors after which this process can no longer use its device. Every later render in this process would
fail.
"""

import structlog
import torch

from shared.errors import GridpressError

log = structlog.get_logger()


class HelperGone(Exception):
    """Raised when a further device that this process computes with, or the process of that device, can't be used."""


class DeviceFull(Exception):
    """Raised when device memory that was reserved at start-up is missing, because another process has taken it."""


def is_device_lost(error: BaseException, device: torch.device) -> bool:
    """Returns whether the error means that this process can no longer use `device`.

    After a CUDA fault (illegal address, launch failure, ECC) every later call fails, and only a new process helps.
    torch raises such a fault as `AcceleratorError`. But cuBLAS, cuDNN, NCCL and Triton raise a plain `RuntimeError` or
    an error of their own. So after any unforeseen error on a GPU, this function waits for the GPU: a lost GPU raises.

    The device stays usable after an ordinary out-of-memory error, and after an error of a request. `DeviceFull` returns
    True, because memory that the engine reserved at start-up is gone.
    """
    if isinstance(error, torch.AcceleratorError | DeviceFull | HelperGone):
        return True
    if device.type != "cuda" or isinstance(error, torch.OutOfMemoryError | GridpressError):
        return False
    return not _responds(device, error)


def _responds(device: torch.device, error: BaseException) -> bool:
    try:
        torch.cuda.synchronize(device)
    except Exception as fault:  # whatever a driver raises here, the device does not respond
        log.exception("device.lost", device=str(device), error=_first_line(error), fault=_first_line(fault))
        return False
    return True


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
