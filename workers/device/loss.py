"""Recognises errors after which this process can no longer use its device. Every later render in this process would
fail.
"""

import torch


class HelperGone(Exception):
    """Raised when the helper process, which computes on a second device, has died or no longer responds."""


class DeviceFull(Exception):
    """Raised when device memory that was reserved at start-up is missing, because another process has taken it."""


def is_device_lost(error: BaseException) -> bool:
    """Returns whether the error means that this process can no longer use its device.

    After a CUDA fault (illegal address, launch failure, ECC) every later call fails, and only a new process helps. An
    ordinary out-of-memory error returns False, because the device stays usable. `DeviceFull` returns True, because
    memory that the engine reserved at start-up is gone.
    """
    return isinstance(error, torch.AcceleratorError | DeviceFull | HelperGone)
