"""Puts a stage's engine on a device that it may have to share, as the settings say. Wires; decides nothing."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from shared.settings.settings import Settings
from workers.device.lock import DeviceLock
from workers.device.loss import is_device_lost
from workers.device.parked_weights import parking_for
from workers.device.placement import Placement
from workers.device.turn_taking import SharedDevice, one_turn
from workers.engine.stepper import Stepper

Share = Callable[[Stepper[Any], Sequence[nn.Module]], Stepper[Any]]


@contextmanager
def device_share(settings: Settings, placement: Placement) -> Iterator[Share]:
    """For the time of loading: the device is ours alone in the block. With `share_device` it has to be waited for.

    What it gives makes of an engine, and the modules whose weights it uses, one that takes turns; those are parked
    then. Without `share_device` the engine stays what it is.
    """
    if not settings.share_device:
        yield lambda stepper, _: stepper
        return
    turns = DeviceLock(settings.data_dir / "run", placement.device_name)
    with one_turn(turns):
        yield lambda stepper, modules: SharedDevice(
            stepper, turns, parking_for(modules, placement.device), is_device_lost=is_device_lost
        )
