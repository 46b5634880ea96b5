"""Counts the device memory of renders: which of them fit, and whose condition keys are given up. No tensors."""

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

from shared.ids import RenderId


@dataclass(frozen=True, slots=True)
class RenderBytes:
    """The memory of one render: `held` from its first step to its end, `working` during a step or its decode.

    `conditions` are the keys and values of its condition images. Renders with one `condition_set` share them.
    """

    held: int
    working: int
    conditions: int = 0
    condition_set: Hashable = None


class MemoryBook:
    """Books what the weights leave of a device. A render that has begun may lose its condition keys, nothing else.

    A render that is too large for the whole device is tried with nothing beside it, since sizes are estimates.
    """

    def __init__(self, room: int | None) -> None:
        """`room` is in bytes; None counts nothing: memory of the host."""
        self._room = room
        self._needs: dict[RenderId, RenderBytes] = {}
        self._begun: set[RenderId] = set()
        self._alone: set[RenderId] = set()
        self._sets: dict[Hashable, int] = {}  # condition keys on the device, those that were computed last at the end

    def add(self, render_id: RenderId, need: RenderBytes) -> None:
        self._needs[render_id] = need

    def remove(self, render_id: RenderId) -> None:
        """Forgets a render. Its condition keys count until others take their place."""
        del self._needs[render_id]
        self._begun.discard(render_id)
        self._alone.discard(render_id)

    def clear_conditions(self) -> None:
        """Nothing is kept of condition images any more."""
        self._sets.clear()

    def set_alone(self, render_id: RenderId) -> None:
        """Has all other condition keys given up for this render's steps: the device was full in one."""
        self._alone.add(render_id)

    def fits(self, batch: Sequence[RenderId]) -> bool:
        """Returns whether these can share a step, and everything that has begun can still end after it."""
        others = self._begun - set(batch)
        if self._room is None or not batch or (not others and len(batch) == 1):
            return True
        held = sum(self._needs[each].held for each in {*others, *batch})
        most = max(self._step_bytes([each]) for each in {*others, *batch})
        return held + max(most, self._step_bytes(batch)) <= self._room

    def begin(self, batch: Sequence[RenderId]) -> Collection[Hashable]:
        """Books the step of a batch that fits. Returns the condition sets that are to be given up before it."""
        self._begun.update(batch)
        own = self._sets_of(batch)
        new = own.keys() - self._sets.keys()
        if new:  # only what renders read is kept then
            in_use = self._sets_of(self._begun)
            self._sets = {key: size for key, size in self._sets.items() if key in in_use}
        is_alone = bool(self._alone & set(batch))
        given_up = [key for key in self._sets if key not in own] if is_alone else self._surplus(own, batch)
        for key in given_up:
            del self._sets[key]
        self._sets.update(own)
        return given_up

    def booked(self, batch: Sequence[RenderId]) -> int:
        """Returns the bytes that a step of the batch takes, with all that is kept beside it."""
        held = sum(self._needs[each].held for each in self._begun)
        return held + sum(self._sets.values()) + sum(self._needs[each].working for each in batch)

    def _surplus(self, own: dict[Hashable, int], batch: Sequence[RenderId]) -> list[Hashable]:
        """Returns as many sets as have to go, the oldest first."""
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
