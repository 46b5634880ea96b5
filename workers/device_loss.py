"""Which errors say that this process has lost its device, so that every later render would fail with it."""

import torch


def is_device_lost(error: BaseException) -> bool:
    """CUDA reports a fault (illegal address, launch failure, ECC) on every call after it: only a new process helps.

    A device that is merely full raises another error and is as good as ever.
    """
    return isinstance(error, torch.AcceleratorError)
