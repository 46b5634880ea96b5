"""Counts the device memory of renders. It decides which renders fit, and which condition keys are dropped to make room.
It uses no tensors.

Condition keys are the keys and values of an edit's condition images.
"""

from collections.abc import Collection, Hashable, Sequence
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

    def fits(self, batch: Sequence[RenderId]) -> bool:
        """Returns whether a step of these renders fits into the device memory, and whether every render that has begun
        will still have the memory that it needs to end.
        """
        others = self._begun - set(batch)
        if self._room is None or not batch or (not others and len(batch) == 1):
            return True
        held = sum(self._needs[each].held for each in {*others, *batch})
        most = max(self._step_bytes([each]) for each in {*others, *batch})
        return held + max(most, self._step_bytes(batch)) <= self._room

    def begin(self, batch: Sequence[RenderId]) -> Collection[Hashable]:
        """Counts the memory for a step of these renders. Call this only if `fits` is true for them.

        Returns which condition keys must be dropped before the step. Condition keys are the keys and values of an
        edit's condition images.
        """
        self._begun.update(batch)
        own = self._sets_of(batch)
        new = own.keys() - self._sets.keys()
        if new:  # computing a new set frees all sets that no render reads
            in_use = self._sets_of(self._begun)
            self._sets = {key: size for key, size in self._sets.items() if key in in_use}
        is_alone = bool(self._alone & set(batch))
        given_up = [key for key in self._sets if key not in own] if is_alone else self._surplus(own, batch)
        for key in given_up:
            del self._sets[key]
        self._sets.update(own)
        return given_up

    def booked(self, batch: Sequence[RenderId]) -> int:
        """Returns the bytes that are in use during a step of these renders, including the memory of other renders that
        have begun.
        """
        held = sum(self._needs[each].held for each in self._begun)
        return held + sum(self._sets.values()) + sum(self._needs[each].working for each in batch)

    def _surplus(self, own: dict[Hashable, int], batch: Sequence[RenderId]) -> list[Hashable]:
        """Returns which condition keys (keys and values of condition images) must be dropped to make room for a step,
        the oldest first.

        `own` has the condition keys that the step itself needs, which are not dropped.
        """
        surplus: list[Hashable] = []
        if self._room is None:
            return surplus
        over = self.booked(batch) + sum(size for key, size in own.items() if key not in self._sets) - self._room
        for key in [key for key in self._sets if key not in own]:
            if over > 0:
                surplus.append(key)
                over -= self._sets[key]
        return surplus

    def _step_bytes(self, batch: Sequence[RenderId]) -> int:
        return sum(self._needs[each].working for each in batch) + sum(self._sets_of(batch).values())

    def _sets_of(self, renders: Collection[RenderId]) -> dict[Hashable, int]:
        needs = [self._needs[each] for each in renders]
        return {need.condition_set: need.conditions for need in needs if need.conditions}
