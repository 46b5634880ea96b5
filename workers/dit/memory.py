"""Counts the device memory of renders. It decides which renders fit, and which condition keys are dropped to make room.
It uses no tensors.

Condition keys are the keys and values of an edit's condition images.
"""

from collections.abc import Collection, Hashable
from dataclasses import dataclass

from shared.ids import RenderId


@dataclass(frozen=True, slots=True)
class RenderBytes:
    """The bytes of device memory that one render needs: `held` from its first step to its end, and `working` in
    addition during a step or the VAE decode.

    `conditions` is the size of the keys and values of the render's condition images. Renders with the same
    `condition_set` share these keys and values.
    """

    held: int
    working: int
    conditions: int = 0
    condition_set: Hashable = None


class MemoryBudget:
    """Counts how renders use the device memory that the weights leave free. A render that has begun can lose its
    condition keys (the keys and values of its condition images), but nothing else.

    Sizes are estimates. So a render that seems too large for the whole device is tried all the same, with no other
    render beside it.
    """

    def __init__(self, room: int | None) -> None:
        """Creates the budget. `room` is the memory in bytes that the weights leave free on the device. None means a
        CPU, whose memory is not counted.
        """
        self._room = room
        self._needs: dict[RenderId, RenderBytes] = {}
        self._begun: set[RenderId] = set()
        self._alone: set[RenderId] = set()
        self._sets: dict[Hashable, int] = {}  # sizes of the condition keys on the device, the newest last

    def add(self, render_id: RenderId, need: RenderBytes) -> None:
        self._needs[render_id] = need

    def remove(self, render_id: RenderId) -> None:
        """Removes a render. The render's condition keys (keys and values of its condition images) stay in memory and
        are still counted, until the keys of another render take their place.
        """
        del self._needs[render_id]
        self._begun.discard(render_id)
        self._alone.discard(render_id)

    def clear_conditions(self) -> None:
        """Sets the counted size of condition keys (keys and values of condition images) to 0. Call this after the
        engine has freed all condition keys.
        """
        self._sets.clear()

    def set_alone(self, render_id: RenderId) -> None:
        """From now on, each step of this render drops the condition keys (keys and values of condition images) of all
        other renders.

        Call this after the device ran out of memory in a step of this render.
        """
        self._alone.add(render_id)

    def fits(self, render_id: RenderId) -> bool:
        """Returns whether a step of this render fits into the device memory, and whether every render that has begun
        will still have the memory that it needs to end.
        """
        others = self._begun - {render_id}
        if self._room is None or not others:
            return True
        renders = {*others, render_id}
        held = sum(self._needs[each].held for each in renders)
        return held + max(self._needs[each].working + self._needs[each].conditions for each in renders) <= self._room

    def begin(self, render_id: RenderId) -> Collection[Hashable]:
        """Counts the memory for a step of this render. Call this only if `fits` is true for it.

        Returns which condition keys must be dropped before the step. Condition keys are the keys and values of an
        edit's condition images.
        """
        self._begun.add(render_id)
        own = self._sets_of([render_id])
        new = own.keys() - self._sets.keys()
        if new:  # computing a new set frees all sets that no render reads
            in_use = self._sets_of(self._begun)
            self._sets = {key: size for key, size in self._sets.items() if key in in_use}
        is_alone = render_id in self._alone
        given_up = [key for key in self._sets if key not in own] if is_alone else self._surplus(own, render_id)
        for key in given_up:
            del self._sets[key]
        self._sets.update(own)
        return given_up

    def booked(self, render_id: RenderId) -> int:
        """Returns the bytes that are in use during a step of this render, including the memory of other renders that
        have begun.
        """
        held = sum(self._needs[each].held for each in self._begun)
        return held + sum(self._sets.values()) + self._needs[render_id].working

    def _surplus(self, own: dict[Hashable, int], render_id: RenderId) -> list[Hashable]:
        """Returns which condition keys (keys and values of condition images) must be dropped to make room for a step,
        the oldest first.

        `own` has the condition keys that the step itself needs, which are not dropped.
        """
        surplus: list[Hashable] = []
        if self._room is None:
            return surplus
        over = self.booked(render_id) + sum(size for key, size in own.items() if key not in self._sets) - self._room
        for key in [key for key in self._sets if key not in own]:
            if over > 0:
                surplus.append(key)
                over -= self._sets[key]
        return surplus

    def _sets_of(self, renders: Collection[RenderId]) -> dict[Hashable, int]:
        needs = [self._needs[each] for each in renders]
        return {need.condition_set: need.conditions for need in needs if need.conditions}
