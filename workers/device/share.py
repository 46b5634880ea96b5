"""Lets a stage's engine share its device with other processes, if the settings say so."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
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
    """Yields a function that makes an engine share its device with other processes. In the body of the `with` statement
    this process alone has the device, so load the model there.

    - With the setting `share_device` the body starts when the device is free. The yielded function takes an engine and
      the modules whose weights the engine uses. The engine that it returns takes turns on the device, and parks these
      weights (moves them to host memory) between its turns.
    - Without `share_device` nothing is locked, and the yielded function returns the engine unchanged.
    """
    if not settings.share_device:
        yield lambda stepper, _: stepper
        return
    turns = DeviceLock(settings.data_dir / "run", placement.device_name)
    with one_turn(turns):
        lost = partial(is_device_lost, device=placement.device)
        yield lambda stepper, modules: SharedDevice(
            stepper, turns, parking_for(modules, placement.device), is_device_lost=lost
        )
