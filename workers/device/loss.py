"""Which errors say that this process has lost its device, so that every later render would fail with it."""

import torch


class HelperGone(Exception):
    """The process that computes for this one on a second device has ended, or does not answer any more."""


class DeviceFull(Exception):
    """The device has no room left for what was set aside at the start: somebody else has taken it."""


def is_device_lost(error: BaseException) -> bool:
    """CUDA reports a fault (illegal address, launch failure, ECC) on every call after it: only a new process helps.

    A device that is merely full raises another error, and is as good as ever unless the engine says `DeviceFull`.
    """
    return isinstance(error, torch.AcceleratorError | DeviceFull | HelperGone)
