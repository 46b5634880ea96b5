"""Divides the time of a device among the renders that it computes."""

from collections import defaultdict
from collections.abc import Collection

from shared.ids import RenderId


class DeviceTime:
    """The seconds of the device that each render has taken. Only the engine thread uses it.

    Renders that share a step share its time equally. So the sum over all renders is the time of all steps.
    """

    def __init__(self) -> None:
        self._taken_s: defaultdict[RenderId, float] = defaultdict(float)

    def note(self, members: Collection[RenderId], took_s: float) -> None:
        """Adds a step that took `took_s` seconds and computed the renders `members`."""
        for render_id in members:
            self._taken_s[render_id] += took_s / len(members)

    def take(self, render_id: RenderId) -> float:
        """Returns the seconds of a render that leaves the engine, and forgets them."""
        return self._taken_s.pop(render_id, 0.0)
